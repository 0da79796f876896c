"""The report's figures, drawn from results alone as SVG text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reachgym.study.report.svg import (
    line_look,
    line_swatch,
    marker_look,
    marker_swatch,
    panel,
    svg_text,
)
from reachgym.study.report.text import share
from reachgym.study.results import PassAtK, PolicyInfo, Results, SampleBudget, TaskMeasurement

_CEILING_MARGIN_BITS = 0.8
_FLOOR_BITS = -0.6
_LEAST_P = 1e-12
_MARKER_AREA = 22.0
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Figured:
    """One picture: its title, its SVG text, and the words for those who do not see it."""

    title: str
    words: str
    svg: str


def pass_at_k(results: Results, family: str) -> Figured:
    """Success within k attempts against k, base and arms, with their bands."""
    figure, axes = panel()
    said, ticks = [], {1}
    for index, policy in enumerate(results.setting.policies):
        points = _curve(results, policy.name, family)
        if points:
            _band(axes, points, index, bold=policy.is_base)
            ticks |= {point.k for point in points}
            first, last = points[0], points[-1]
            said.append(
                f"{policy.label} {share(first.value.estimate)} at k={first.k} and"
                f" {share(last.value.estimate)} at k={last.k}"
            )
    axes.set_xscale("log", base=2)
    _set_whole_ticks(axes, sorted(ticks))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("attempts k")
    axes.set_ylabel("pass@k")
    words = f"pass@k on {family}: " + ("; ".join(said) or "nothing measured") + "."
    name = f"pass-{list(results.setting.families).index(family)}"
    return Figured(family, words, svg_text(figure, name))


def surprisal_map(results: Results, policy: PolicyInfo) -> Figured:
    """Per task, bits of surprisal of success: base across, arm upwards, budgets as lines."""
    figure, axes = panel(height_in=3.3)
    pairs = _pairs(results, policy)
    top = _ceiling(results, [measured for pair in pairs for measured in pair])
    axes.plot([_FLOOR_BITS, top], [_FLOOR_BITS, top], color="#9aa3ad", linewidth=1)
    _budget_lines(axes, results.setting.sample_budgets)
    for index, family in enumerate(results.setting.families):
        _scatter(axes, [pair for pair in pairs if pair[0].family == family], index)
    axes.set_xlim(_FLOOR_BITS, top)
    axes.set_ylim(_FLOOR_BITS, top)
    axes.set_aspect("equal")
    axes.set_xlabel("base: bits to success")
    axes.set_ylabel("arm: bits to success")
    name = f"map-{results.setting.policies.index(policy)}"
    return Figured(policy.label, _map_words(pairs, policy), svg_text(figure, name))


def training_curve(results: Results, policy: PolicyInfo) -> Figured | None:
    """Success on the training tasks while an arm was trained, a line per family and seed."""
    points = [point for point in results.curves if point.policy == policy.name]
    if not points:
        return None
    figure, axes = panel()
    said = []
    for index, family in enumerate(results.setting.families):
        for seed in policy.seeds:
            own = sorted(
                (p for p in points if p.family == family and p.seed == seed),
                key=lambda point: point.update,
            )
            if own:
                axes.plot(
                    [point.update for point in own],
                    [point.success for point in own],
                    markersize=3.5,
                    linewidth=1.2,
                    **marker_look(index),
                )
                last = own[-1]
                said.append(f"{family}, seed {seed}: {share(last.success)} (n={last.n}) at last")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("update")
    axes.set_ylabel("solved, training tasks")
    words = f"Success on training tasks of {policy.label}. " + "; ".join(said) + "."
    name = f"curve-{results.setting.policies.index(policy)}"
    return Figured(policy.label, words, svg_text(figure, name))


def policy_legend(results: Results) -> list[Figured]:
    """Which line is which policy."""
    labels = [policy.label for policy in results.setting.policies]
    return [Figured(label, label, line_swatch(index)) for index, label in enumerate(labels)]


def family_legend(results: Results, beside: str) -> list[Figured]:
    """Which marker is which family, to stand once beside the figures named."""
    families = enumerate(results.setting.families)
    return [Figured(family, family, marker_swatch(index, beside)) for index, family in families]


def compared_interface(results: Results) -> str:
    """The interface through which base and arms are compared."""
    return results.flows[0].interface if results.flows else results.setting.interfaces[0].name


def _curve(results: Results, policy: str, family: str) -> list[PassAtK]:
    interface = compared_interface(results)
    own = (p for p in results.pass_at_k if (p.policy, p.family) == (policy, family))
    return sorted((p for p in own if p.interface == interface), key=lambda point: point.k)


def _band(axes: Axes, points: Sequence[PassAtK], index: int, *, bold: bool) -> None:
    ks = [point.k for point in points]
    look = line_look(index)
    axes.plot(
        ks,
        [point.value.estimate for point in points],
        linewidth=2.2 if bold else 1.6,
        marker="." if len(points) == 1 else None,
        **look,
    )
    lows, highs = [p.value.low for p in points], [p.value.high for p in points]
    axes.fill_between(ks, lows, highs, color=look["color"], alpha=0.13, linewidth=0)


def _set_whole_ticks(axes: Axes, ks: Sequence[int]) -> None:
    step = max(1, math.ceil(len(ks) / _MOST_TICKS))
    axes.xaxis.set_major_locator(FixedLocator(list(ks[::step])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))


def _budget_lines(axes: Axes, budgets: Sequence[SampleBudget]) -> None:
    # Labelled outside the axes, where no task can lie below the label.
    bits = [-math.log2(budget.p_in) for budget in budgets]
    for at, budget in zip(bits, budgets, strict=True):
        width, dash = (1.5, "--") if budget.headline else (0.9, ":")
        axes.axvline(at, color="#566170", linewidth=width, linestyle=dash)
        axes.axhline(at, color="#566170", linewidth=width, linestyle=dash)
    names = [str(budget.attempts) for budget in budgets]
    top, right = axes.secondary_xaxis("top"), axes.secondary_yaxis("right")
    for side in (top, right):
        side.spines[:].set_visible(False)
        side.tick_params(length=0, pad=2, labelsize=8)
    top.set_xticks(bits, names)
    right.set_yticks(bits, names)
    top.set_xlabel("in reach within B attempts, B =", fontsize=8)


def _pairs(results: Results, policy: PolicyInfo) -> list[tuple[TaskMeasurement, TaskMeasurement]]:
    interface = compared_interface(results)
    bases = {known.name for known in results.setting.policies if known.is_base}
    base = {
        (m.seed, m.family, m.task): m
        for m in results.measurements
        if m.policy in bases and m.interface == interface
    }
    arm = (m for m in results.measurements if m.policy == policy.name and m.interface == interface)
    keyed = ((base.get((m.seed, m.family, m.task)), m) for m in arm)
    return [(before, after) for before, after in keyed if before is not None]


def _map_words(pairs: Sequence[tuple[TaskMeasurement, TaskMeasurement]], policy: PolicyInfo) -> str:
    below = sum(_bits(arm) < _bits(base) for base, arm in pairs)
    above = sum(_bits(arm) > _bits(base) for base, arm in pairs)
    return (
        f"Surprisal of success, base against {policy.label}, n={len(pairs)} task and seed pairs:"
        f" {below} below the diagonal (likelier after training), {above} above it (rarer)."
    )


def _bits(measured: TaskMeasurement) -> float:
    # A task never solved is drawn at the least surprisal that its upper bound allows.
    p = measured.c / measured.n if measured.c else measured.p.high
    return -math.log2(min(max(p, _LEAST_P), 1.0))


def _ceiling(results: Results, measured: Sequence[TaskMeasurement]) -> float:
    budgets = [-math.log2(budget.p_in) for budget in results.setting.sample_budgets]
    return max([_bits(m) for m in measured] + budgets) + _CEILING_MARGIN_BITS


def _scatter(
    axes: Axes, pairs: Sequence[tuple[TaskMeasurement, TaskMeasurement]], index: int
) -> None:
    look = marker_look(index)
    for filled in (True, False):
        places = Counter(
            (_bits(base), _bits(arm)) for base, arm in pairs if (base.c > 0 and arm.c > 0) is filled
        )
        axes.scatter(
            [x for x, _ in places],
            [y for _, y in places],
            # Tasks in the same place are one marker, which grows with their number.
            s=[_MARKER_AREA * math.sqrt(count) for count in places.values()],
            marker=look["marker"],
            facecolors=look["color"] if filled else "none",
            edgecolors=look["color"],
            linewidths=1.1,
            alpha=0.85,
        )
