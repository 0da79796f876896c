"""The counts of a study by base: what was drawn of it, without tools, and of each of its arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reachgym.study.config.study import StudyConfig
from reachgym.study.measured import Measured
from reachgym.support import TaskCounts


@dataclass(frozen=True, slots=True)
class Group:
    """One base and the arms trained from it, as measured.

    Attributes:
        name: The base.
        base: Its counts through the interface in which arms are compared with it.
        bare: Its counts without tools.
        arms: Every arm's counts, by policy.
        controls: Policies that an arm must create more than, by that arm's policy.
    """

    name: str
    base: list[TaskCounts]
    bare: list[TaskCounts]
    arms: dict[str, list[TaskCounts]]
    controls: dict[str, list[str]]


def groups_of(config: StudyConfig, measured: Sequence[Measured]) -> list[Group]:
    """One group a base, in the configuration's order."""
    plan = config.measurement

    def counts(policy: str, interface: str) -> list[TaskCounts]:
        found = [m for m in measured if (m.policy, m.interface) == (policy, interface)]
        return [row for m in found for row in m.counts()]

    groups = []
    for base in config.bases:
        trained = [t for t in config.trained() if t.base == base]
        controls: dict[str, list[str]] = {t.policy: [] for t in trained}
        for t in trained:
            for led in t.arm.control_for:
                controls.setdefault(config.policy_name(led, base), []).append(t.policy)
        groups.append(
            Group(
                name=base,
                base=counts(base, plan.interface),
                bare=counts(base, plan.bare_interface),
                arms={t.policy: counts(t.policy, plan.interface) for t in trained},
                controls=controls,
            )
        )
    return groups
