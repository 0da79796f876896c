"""What training did by how much the base could do before: one arm from several bases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.axes import Axes

from reachgym.study.report.figure import Figured, Group, compared_interface, groups_of
from reachgym.study.report.svg import marker_look, panel, svg_text
from reachgym.study.report.table import Table
from reachgym.study.report.text import number, share
from reachgym.study.results import ArmVerdict, PolicyInfo, Results

FlowTotals = Mapping[tuple[str, str], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Met:
    """One family as one arm trained from one base met it.

    Attributes:
        base: The base.
        arm: The arm.
        family: The family.
        p: Median over tasks of the base's success probability, by its own draws.
        estimated: The same by importance sampling; None where nothing was scored.
        believed: Estimates that passed every check.
        tasks: Pairs of task and seed that the medians are over.
        shares: Of compared tasks, those created and those elicited.
        compared: Pairs of task and seed compared.
        verdict: What training did, if it was judged.
    """

    base: PolicyInfo
    arm: PolicyInfo
    family: str
    p: float
    estimated: float | None
    believed: int
    tasks: int
    shares: tuple[float, float]
    compared: int
    verdict: ArmVerdict | None


def by_exposure(results: Results, flows: FlowTotals) -> list[Figured]:
    """One figure for each kind of arm that was trained from several bases."""
    kinds: dict[str, list[tuple[Group, PolicyInfo]]] = {}
    for group in groups_of(results):
        for arm in group.arms:
            kinds.setdefault(arm.arm or arm.name, []).append((group, arm))
    figures = []
    for kind, trained in kinds.items():
        met = [one for group, arm in trained for one in _met(results, flows, group, arm)]
        if len(trained) > 1 and met:
            figures.append(_figure(results, kind, trained[0][1].label, met))
    return figures


def _met(results: Results, flows: FlowTotals, group: Group, arm: PolicyInfo) -> list[Met]:
    interface, found = compared_interface(results), []
    verdicts = {v.family: v for v in results.verdicts if v.policy == arm.name}
    for family in results.setting.families:
        counts = flows.get((arm.name, family))
        rows = [
            m
            for m in results.measurements
            if (m.policy, m.interface, m.family) == (group.base.name, interface, family)
        ]
        scored = [e for e in results.estimates if (e.base, e.family) == (group.base.name, family)]
        compared = sum(counts.values()) - counts["excluded"] if counts else 0
        if counts and rows and compared:
            found.append(
                Met(
                    base=group.base,
                    arm=arm,
                    family=family,
                    p=median(m.p.estimate for m in rows),
                    estimated=median(e.estimate for e in scored) if scored else None,
                    believed=sum(not e.failed for e in scored),
                    tasks=len(rows),
                    shares=(counts["created"] / compared, counts["elicited"] / compared),
                    compared=compared,
                    verdict=verdicts.get(family),
                )
            )
    return found


def _figure(results: Results, kind: str, label: str, met: Sequence[Met]) -> Figured:
    figure, axes = panel()
    bases = list(dict.fromkeys(m.base.label for m in met))
    for index, family in enumerate(results.setting.families):
        own = [m for m in met if m.family == family]
        if own:
            _lines(axes, [bases.index(m.base.label) for m in own], own, index)
    axes.set_xticks(range(len(bases)), bases, rotation=20, parse_math=False)
    axes.set_xlim(-0.4, len(bases) - 0.6)
    axes.set_ylim(-0.05, 1.05)
    axes.set_ylabel("share of tasks")
    said = "; ".join(
        f"{m.family} from {m.base.label} at {share(m.p)}: created {share(m.shares[0])},"
        f" elicited {share(m.shares[1])} (n={m.compared})"
        for m in met
    )
    words = f"{label}: shares of tasks by the base that it was trained from. {said}."
    name = f"exposure-{[p.name for p in results.setting.policies].index(met[0].arm.name)}"
    return Figured(label, words, svg_text(figure, name), _data(results, kind, met))


def _lines(axes: Axes, places: Sequence[int], own: Sequence[Met], index: int) -> None:
    look = marker_look(index)
    for place, filled in ((0, True), (1, False)):
        axes.plot(
            places,
            [m.shares[place] for m in own],
            linewidth=1.2,
            linestyle="-" if filled else ":",
            markersize=5.5,
            markerfacecolor=look["color"] if filled else "white",
            **look,
        )


def _data(results: Results, kind: str, met: Sequence[Met]) -> Table:
    columns: tuple[str, ...] = (
        "base",
        "its pre-training differs by",
        "family",
        "median p of the base",
        "by importance sampling",
        "n passing its checks",
        "n tasks",
    )
    columns += ("verdict", "created share", "created", "elicited", "n compared")
    rows = [
        (
            *(m.base.label, _difference(results, m.base), m.family, m.p),
            *(m.estimated, m.believed, m.tasks),
            ", ".join(m.verdict.verdicts) if m.verdict else "",
            m.verdict.created_share if m.verdict else None,
            *(m.shares[0], m.shares[1], m.compared),
        )
        for m in met
    ]
    return Table(f"by exposure {kind}", columns, rows)


def _difference(results: Results, base: PolicyInfo) -> str:
    values = results.setting.exposures.get(base.name, {})
    return ", ".join(f"{name} {number(value)}" for name, value in values.items()) or "nothing"
