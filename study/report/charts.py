"""The report's figures, drawn from results alone as SVG text."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reachgym.study.results import PolicyInfo, Results, TaskMeasurement

# Okabe and Ito's palette: told apart with every common colour vision; markers differ as well.
_COLOURS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D31")
_MARKERS = "osD^vPX*"
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
}
_CEILING_MARGIN_BITS = 1.0


@dataclass(frozen=True, slots=True)
class Figured:
    """One picture: SVG text, and the words for those who do not see it."""

    caption: str
    svg: str


def pass_at_k(results: Results, family: str) -> Figured:
    """Success within k attempts against k, base and arms, with their bands."""
    figure, axes = _panel(f"{family}")
    for index, policy in enumerate(results.setting.policies):
        points = sorted(
            (
                p
                for p in results.pass_at_k
                if p.policy == policy.name
                and p.family == family
                and p.interface == compared_interface(results)
            ),
            key=lambda p: p.k,
        )
        if points:
            ks = [p.k for p in points]
            colour = _COLOURS[index % len(_COLOURS)]
            axes.plot(
                ks,
                [p.value.estimate for p in points],
                color=colour,
                linestyle=_DASHES[index % len(_DASHES)],
                linewidth=2 if policy.is_base else 1.6,
                label=policy.label,
            )
            lows, highs = [p.value.low for p in points], [p.value.high for p in points]
            axes.fill_between(ks, lows, highs, color=colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("attempts k")
    axes.set_ylabel("pass@k")
    return Figured(f"pass@k on {family}, base and arms", _svg(figure, f"pass-{family}"))


def surprisal_map(results: Results, policy: PolicyInfo) -> Figured:
    """Per task, bits of surprisal of success: base across, arm upwards, budgets as lines."""
    figure, axes = _panel(policy.label)
    pairs = _pairs(results, policy)
    top = _ceiling(results, [m for pair in pairs for m in pair])
    axes.plot([0, top], [0, top], color="#9aa3ad", linewidth=1)
    for budget in results.setting.sample_budgets:
        bits = -math.log2(budget.p_in)
        width = 1.4 if budget.headline else 0.7
        axes.axvline(bits, color="#5b6470", linewidth=width, linestyle=":")
        axes.axhline(bits, color="#5b6470", linewidth=width, linestyle=":")
        axes.text(bits, top, f"B={budget.attempts}", fontsize=7, ha="right", va="top", rotation=90)
    for index, family in enumerate(results.setting.families):
        own = [(base, arm) for base, arm in pairs if base.family == family]
        if own:
            xs = [_bits(base) for base, _ in own]
            ys = [_bits(arm) for _, arm in own]
            solved = [base.c > 0 and arm.c > 0 for base, arm in own]
            _scatter(axes, xs, ys, solved, index, family)
    axes.set_xlim(-0.6, top + 0.3)
    axes.set_ylim(-0.6, top + 0.3)
    axes.set_xlabel("base: bits to success")
    axes.set_ylabel("arm: bits to success")
    caption = f"Surprisal of success per held-out task, base against {policy.label}"
    return Figured(caption, _svg(figure, f"map-{policy.name}"))


def training_curve(results: Results, policy: PolicyInfo) -> Figured | None:
    """Success on the training tasks while an arm was trained, a line per family."""
    points = [p for p in results.curves if p.policy == policy.name]
    if not points:
        return None
    figure, axes = _panel(policy.label)
    for index, family in enumerate(results.setting.families):
        for seed in policy.seeds:
            own = sorted(
                (p for p in points if p.family == family and p.seed == seed),
                key=lambda p: p.update,
            )
            if own:
                axes.plot(
                    [p.update for p in own],
                    [p.success for p in own],
                    color=_COLOURS[index % len(_COLOURS)],
                    linestyle=_DASHES[index % len(_DASHES)],
                    linewidth=1.3,
                    label=family if seed == policy.seeds[0] else None,
                )
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("update")
    axes.set_ylabel("solved, training tasks")
    caption = f"Success on training tasks while {policy.label} was trained, one line a seed"
    return Figured(caption, _svg(figure, f"curve-{policy.name}"))


def policy_legend(results: Results) -> Figured:
    """Which line is which policy."""
    labels = [policy.label for policy in results.setting.policies]
    return Figured("Lines: " + ", ".join(labels), _legend(labels, lines=True))


def family_legend(results: Results) -> Figured:
    """Which marker is which family."""
    labels = list(results.setting.families)
    return Figured("Families: " + ", ".join(labels), _legend(labels, lines=False))


def compared_interface(results: Results) -> str:
    """The interface through which base and arms are compared."""
    names = {flow.interface for flow in results.flows}
    return next(iter(names), "tools")


def _pairs(results: Results, policy: PolicyInfo) -> list[tuple[TaskMeasurement, TaskMeasurement]]:
    interface = compared_interface(results)
    base = {
        (m.seed, m.family, m.task): m
        for m in results.measurements
        if m.policy == "base" and m.interface == interface
    }
    return [
        (base[m.seed, m.family, m.task], m)
        for m in results.measurements
        if m.policy == policy.name and m.interface == interface
    ]


def _bits(measured: TaskMeasurement) -> float:
    # A task never solved is drawn at the least surprisal that its upper bound allows.
    p = measured.c / measured.n if measured.c else measured.p.high
    return -math.log2(p)


def _ceiling(results: Results, measured: Sequence[TaskMeasurement]) -> float:
    budgets = [-math.log2(b.p_in) for b in results.setting.sample_budgets]
    return max([_bits(m) for m in measured] + budgets) + _CEILING_MARGIN_BITS


def _scatter(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    solved: Sequence[bool],
    index: int,
    label: str,
) -> None:
    colour = _COLOURS[1:][index % (len(_COLOURS) - 1)]
    for filled in (True, False):
        chosen = [i for i, flag in enumerate(solved) if flag is filled]
        axes.scatter(
            [xs[i] for i in chosen],
            [ys[i] for i in chosen],
            s=30,
            marker=_MARKERS[index % len(_MARKERS)],
            facecolors=colour if filled else "none",
            edgecolors=colour,
            linewidths=1.2,
            alpha=0.85,
            label=label if filled else None,
        )


def _panel(title: str) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.6, 2.9), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
    return figure, axes


def _legend(labels: Sequence[str], *, lines: bool) -> str:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.6, 0.22 * len(labels) + 0.15), layout="constrained")
        axes = figure.add_subplot()
        axes.axis("off")
        for index, label in enumerate(labels):
            offset = 0 if lines else 1
            axes.plot(
                [],
                [],
                color=_COLOURS[(index + offset) % len(_COLOURS)],
                linestyle=_DASHES[index % len(_DASHES)] if lines else "none",
                marker=None if lines else _MARKERS[index % len(_MARKERS)],
                label=label,
            )
        axes.legend(loc="center left", frameon=False, fontsize=9, handlelength=3.5)
    return _svg(figure, "legend-" + ("lines" if lines else "markers"))


def _svg(figure: Figure, name: str) -> str:
    # The salt makes ids of several pictures on one page differ, and equal inputs equal pages.
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
