"""The surprisal map: where every task moved, with the budgets as lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from reachgym.study.report.figure import Figured, Group, Key, compared_interface
from reachgym.study.report.svg import estimated_swatch, marker_look, panel, svg_text
from reachgym.study.report.table import Table
from reachgym.study.results import (
    ImportanceEstimate,
    PolicyInfo,
    Results,
    SampleBudget,
    TaskMeasurement,
)

_CEILING_MARGIN_BITS = 0.8
_FLOOR_BITS = -0.6
_LONGEST_WHISKER_BITS = 5.0
_LEAST_P = 1e-12
_MARKER_POINTS = 4.7
_NAME_BITS = 1.3


@dataclass(frozen=True, slots=True)
class Moved:
    """One task of one seed before and after training.

    Attributes:
        base: The base's measurement.
        arm: The arm's.
        estimate: Of the base's success by importance sampling, where its own draws had none and no
            diagnostic failed.
    """

    base: TaskMeasurement
    arm: TaskMeasurement
    estimate: ImportanceEstimate | None

    @property
    def place(self) -> tuple[float, float]:
        """Bits of surprisal of the base and of the arm."""
        before = _bits(self.base) if self.estimate is None else _bits_of(self.estimate.estimate)
        return before, _bits(self.arm)

    @property
    def whisker_end(self) -> float:
        """Bits of the estimate's lower bound, within what a figure has room for."""
        if self.estimate is None:
            return 0.0
        least, longest = _bits_of(self.estimate.low), self.place[0] + _LONGEST_WHISKER_BITS
        return min(least, longest)

    @property
    def kind(self) -> str:
        """Whether both solved it, the base's success is estimated, or a bound is drawn."""
        if self.base.c and self.arm.c:
            return "solved"
        return "estimated" if self.estimate is not None and self.arm.c else "bound"


def surprisal_map(results: Results, group: Group, policy: PolicyInfo) -> Figured | None:
    """Per task, bits of surprisal of success: base across, arm upwards, budgets as lines."""
    moved = list(_moved(results, group, policy))
    if not moved:
        return None
    figure, axes = panel(height_in=3.3)
    top = _ceiling(results, moved)
    axes.plot([_FLOOR_BITS, top], [_FLOOR_BITS, top], color="#9aa3ad", linewidth=1)
    _budget_lines(axes, results.setting.sample_budgets)
    for index, family in enumerate(results.setting.families):
        own = [task for task in moved if task.base.family == family]
        _scatter(axes, own, index)
        _whiskers(axes, own, index)
    axes.set_xlim(_FLOOR_BITS, top)
    axes.set_ylim(_FLOOR_BITS, top)
    axes.set_aspect("equal")
    axes.set_xlabel("base: bits to success")
    axes.set_ylabel("arm: bits to success")
    name = f"map-{results.setting.policies.index(policy)}"
    return Figured(
        policy.label, _words(moved, policy), svg_text(figure, name), _data(moved, policy)
    )


def estimated_key(results: Results, beside: str) -> list[Key]:
    """What a whisker stands for, where a map has any."""
    if not any(map(_usable, results.estimates)):
        return []
    words = "base never solved it: importance estimate, whisker to its lower bound"
    return [Key(words, estimated_swatch(beside))]


def _usable(estimate: ImportanceEstimate) -> bool:
    return not estimate.failed and estimate.estimate > 0


def _moved(results: Results, group: Group, policy: PolicyInfo) -> Iterator[Moved]:
    interface = compared_interface(results)
    base = {
        (m.seed, m.family, m.task): m
        for m in results.measurements
        if m.policy == group.base.name and m.interface == interface
    }
    estimates = {
        (e.seed, e.family, e.task): e
        for e in results.estimates
        if e.base == group.base.name and _usable(e)
    }
    for m in results.measurements:
        key = (m.seed, m.family, m.task)
        if m.policy == policy.name and m.interface == interface and key in base:
            yield Moved(base[key], m, None if base[key].c else estimates.get(key))


def _words(moved: Sequence[Moved], policy: PolicyInfo) -> str:
    below = sum(y < x for x, y in (task.place for task in moved))
    above = sum(y > x for x, y in (task.place for task in moved))
    estimated = sum(task.estimate is not None for task in moved)
    return (
        f"Surprisal of success, base against {policy.label}, n={len(moved)} task and seed pairs:"
        f" {below} below the diagonal (likelier after training), {above} above it (rarer)."
        + (f" For {estimated} the base's is estimated by importance sampling." if estimated else "")
    )


def _data(moved: Sequence[Moved], policy: PolicyInfo) -> Table:
    columns: tuple[str, ...] = (
        "task",
        "seed",
        "base bits",
        "arm bits",
        "drawn as",
        "base n",
        "base solved",
    )
    columns += ("arm n", "arm solved", "importance estimate of the base", "its lower bound")
    rows = [
        (
            *(task.base.task, task.base.seed, *task.place, task.kind),
            *(task.base.n, task.base.c, task.arm.n, task.arm.c),
            None if task.estimate is None else task.estimate.estimate,
            None if task.estimate is None else task.estimate.low,
        )
        for task in moved
    ]
    return Table(f"surprisal of {policy.name}", columns, rows, most_rows=24)


def _bits(measured: TaskMeasurement) -> float:
    # A task never solved is drawn at the least surprisal that its upper bound allows.
    return _bits_of(measured.c / measured.n if measured.c else measured.p.high)


def _bits_of(p: float) -> float:
    return -math.log2(min(max(p, _LEAST_P), 1.0))


def _ceiling(results: Results, moved: Sequence[Moved]) -> float:
    budgets = [-math.log2(budget.p_in) for budget in results.setting.sample_budgets]
    drawn = [bits for task in moved for bits in (*task.place, task.whisker_end)]
    return max(drawn + budgets) + _CEILING_MARGIN_BITS


def _budget_lines(axes: Axes, budgets: Sequence[SampleBudget]) -> None:
    # Labelled outside the axes, where no task can lie below the label.
    bits = [-math.log2(budget.p_in) for budget in budgets]
    for at, budget in zip(bits, budgets, strict=True):
        width, dash = (1.5, "--") if budget.headline else (0.9, ":")
        axes.axvline(at, color="#566170", linewidth=width, linestyle=dash)
        axes.axhline(at, color="#566170", linewidth=width, linestyle=dash)
    names = _names(budgets, bits)
    top, right = axes.secondary_xaxis("top"), axes.secondary_yaxis("right")
    for side in (top, right):
        side.spines[:].set_visible(False)
        side.tick_params(length=0, pad=2, labelsize=8)
    top.set_xticks(bits, names)
    right.set_yticks(bits, names)
    top.set_xlabel("in reach within B attempts, B =", fontsize=8)


def _names(budgets: Sequence[SampleBudget], bits: Sequence[float]) -> list[str]:
    """What stands at each line: nothing where the headline's name would be written over."""
    headline = next(at for at, budget in zip(bits, budgets, strict=True) if budget.headline)
    return [
        str(budget.attempts) if budget.headline or abs(at - headline) > _NAME_BITS else ""
        for at, budget in zip(bits, budgets, strict=True)
    ]


def _scatter(axes: Axes, moved: Sequence[Moved], index: int) -> None:
    look = marker_look(index)
    for kind in ("solved", "bound", "estimated"):
        places = Counter(task.place for task in moved if task.kind == kind)
        # Tasks in the same place are one marker, which grows with their number.
        for count in sorted(set(places.values())):
            at = [place for place, found in places.items() if found == count]
            axes.plot(
                [x for x, _ in at],
                [y for _, y in at],
                linestyle="none",
                markersize=_MARKER_POINTS * count**0.25,
                markerfacecolor=look["color"] if kind == "solved" else "none",
                markeredgewidth=1.1,
                alpha=0.85,
                **look,
            )


def _whiskers(axes: Axes, moved: Sequence[Moved], index: int) -> None:
    estimated = [task for task in moved if task.estimate is not None]
    if estimated:
        axes.hlines(
            [task.place[1] for task in estimated],
            [task.place[0] for task in estimated],
            [task.whisker_end for task in estimated],
            colors=marker_look(index)["color"],
            linewidth=1.1,
            alpha=0.85,
        )
