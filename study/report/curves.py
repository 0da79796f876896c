"""Figures over attempts and over training: pass@k, success by update, tasks discovered."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from reachgym.study.report.figure import Figured, Group, compared_interface, set_whole_ticks
from reachgym.study.report.svg import line_look, marker_look, panel, svg_text
from reachgym.study.report.table import Table
from reachgym.study.report.text import share
from reachgym.study.results import PassAtK, PolicyInfo, Results

_MARKS = 10
_SHOWN_POINTS = 24


def pass_at_k(results: Results, group: Group, family: str) -> Figured | None:
    """Success within k attempts against k, base and arms, with bounds over tasks."""
    figure, axes = panel()
    said, ticks, rows = [], {1}, []
    for index, policy in enumerate(group.policies):
        points = _curve(results, policy.name, family)
        if points:
            _band(axes, points, index, bold=policy.is_base)
            ticks |= {point.k for point in points}
            first, last = points[0], points[-1]
            said.append(
                f"{policy.label} {share(first.value.estimate)} at k={first.k} and"
                f" {share(last.value.estimate)} at k={last.k}"
            )
            rows += [
                (policy.label, p.k, p.value, p.draws, min(p.seeds), max(p.seeds)) for p in points
            ]
    if not rows:
        return None
    axes.set_xscale("log", base=2)
    set_whole_ticks(axes, sorted(ticks))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("attempts k")
    axes.set_ylabel("pass@k")
    words = f"pass@k on {family}: " + "; ".join(said) + "."
    name = f"pass-{group.place}-{list(results.setting.families).index(family)}"
    columns = ("policy", "k", "pass@k", "draws a task, at least", "lowest seed", "highest seed")
    data = Table(f"pass@k on {family} from {group.base.name}", columns, rows)
    return Figured(family, words, svg_text(figure, name), data)


def training_curve(results: Results, policy: PolicyInfo) -> Figured | None:
    """Success on the training tasks while an arm was trained, a line per family and seed."""
    points = [point for point in results.curves if point.policy == policy.name]
    if not points:
        return None
    figure, axes = panel()
    said, rows = [], []
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
                    markevery=max(1, len(own) // _MARKS),
                    linewidth=1.2,
                    **marker_look(index),
                )
                last = own[-1]
                said.append(f"{family}, seed {seed}: {share(last.success)} (n={last.n}) at last")
                rows += [(family, seed, point.update, point.success, point.n) for point in own]
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("update")
    axes.set_ylabel("solved, training tasks")
    words = f"Success on training tasks of {policy.label}. " + "; ".join(said) + "."
    name = f"curve-{results.setting.policies.index(policy)}"
    columns = ("family", "seed", "update", "solved", "n attempts")
    data = Table(f"training of {policy.name}", columns, rows, _SHOWN_POINTS)
    return Figured(policy.label, words, svg_text(figure, name), data)


def discovery(results: Results, group: Group, family: str) -> Figured | None:
    """Distinct training tasks of a family ever solved, a line for an arm and seed."""
    figure, axes = panel()
    said, rows, tried = [], [], 0
    points = [point for point in results.discoveries if point.family == family]
    for index, policy in enumerate(group.policies):
        for seed in policy.seeds:
            own = sorted(
                (p for p in points if (p.policy, p.seed) == (policy.name, seed)),
                key=lambda point: point.update,
            )
            if own:
                axes.plot(
                    [point.update for point in own],
                    [point.solved_tasks for point in own],
                    linewidth=1.3,
                    **line_look(index),
                )
                last = own[-1]
                tried = max(tried, last.tried_tasks)
                said.append(
                    f"{policy.label}, seed {seed}: {last.solved_tasks} of {last.tried_tasks} tried"
                )
                rows += [
                    (policy.label, seed, point.update, point.solved_tasks, point.tried_tasks)
                    for point in own
                ]
    if not rows:
        return None
    axes.set_ylim(-0.03 * max(tried, 1), 1.03 * max(tried, 1))
    axes.set_xlabel("update")
    axes.set_ylabel("training tasks ever solved")
    words = f"Distinct training tasks of {family} solved by the last update. {'; '.join(said)}."
    name = f"discovery-{group.place}-{list(results.setting.families).index(family)}"
    columns = ("arm", "seed", "update", "tasks ever solved", "tasks tried (n)")
    data = Table(f"discovery on {family} from {group.base.name}", columns, rows, _SHOWN_POINTS)
    return Figured(family, words, svg_text(figure, name), data)


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
