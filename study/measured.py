"""What the stages of a study recorded, read back and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reachgym.envs.errors import StoreError
from reachgym.envs.types import JSON
from reachgym.study.config import StudyConfig
from reachgym.study.folder import StudyFolder
from reachgym.support import TaskCounts

BASE = "base"


@dataclass(frozen=True, slots=True)
class Measured:
    """The counts of one policy seed through one interface.

    Attributes:
        policy: `"base"` or an arm.
        seed: Its seed.
        interface: What it acted through.
        rows: One record a task, as the stage wrote it.
        chance_bounds: Families on which declared chance bounds success here.
    """

    policy: str
    seed: int
    interface: str
    rows: tuple[Mapping[str, JSON], ...]
    chance_bounds: frozenset[str]

    def counts(self) -> list[TaskCounts]:
        """As the measurement takes them."""
        return [
            TaskCounts(
                policy=self.policy,
                seed=self.seed,
                family=str(row["family"]),
                task=str(row["task"]),
                n=whole(row["n"]),
                c=whole(row["c"]),
                chance=real(row["chance"]),
                chance_bounds=str(row["family"]) in self.chance_bounds,
            )
            for row in self.rows
        ]


def stage_result(folder: StudyFolder, stage: str) -> dict[str, JSON]:
    """What a finished stage recorded.

    Raises:
        StoreError: The stage is not finished.
    """
    result = folder.result(stage)
    if result is None:
        raise StoreError(f"stage {stage} is not finished; run the study again to continue it")
    return result


def all_measured(config: StudyConfig, folder: StudyFolder) -> Iterator[Measured]:
    """The counts of every policy, seed and interface of a study."""
    plan = config.measurement
    places = [(BASE, plan.interface), (BASE, plan.bare_interface)]
    places += [(name, plan.interface) for name in config.arms]
    for policy, interface in places:
        for seed in config.seeds:
            rows = stage_result(folder, f"measure/{policy}/{interface}/seed-{seed}")["counts"]
            yield Measured(
                policy, seed, interface, tuple(records(rows)), _blind(config, policy, interface)
            )


def _blind(config: StudyConfig, policy: str, interface: str) -> frozenset[str]:
    """Families on which chance bounds success: the base never saw the world, nothing tells it."""
    offered = config.interfaces[interface]
    if policy != BASE or ("search" in offered.tools and offered.information):
        return frozenset()
    return frozenset(name for name, family in config.families.items() if family.only_search_tells)


def records(value: JSON) -> Iterator[dict[str, JSON]]:
    """The objects of a list."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            yield item


def whole(value: JSON) -> int:
    """A recorded count."""
    if not isinstance(value, int):
        raise StoreError(f"a recorded count is damaged: {value!r}; delete the study's folder")
    return value


def real(value: JSON) -> float:
    """A recorded number."""
    if not isinstance(value, int | float):
        raise StoreError(f"a recorded number is damaged: {value!r}; delete the study's folder")
    return float(value)
