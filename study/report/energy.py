"""Reward against divergence: what every arm paid, and the most that any divergence can buy."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from reachgym.study.report.figure import Figured, Group
from reachgym.study.report.svg import marker_look, panel, svg_text
from reachgym.study.report.table import Table
from reachgym.study.report.text import number, share
from reachgym.study.results import FreeEnergy, Results
from reachgym.support import tilting_frontier

# Beyond this the axis turns logarithmic, so that drift does not crowd out the frontier.
_MANY_NATS = 10.0
_TICKS_NATS = (0, 1, 3, 10, 30, 100, 300, 1000)


def frontier(results: Results, group: Group, family: str) -> Figured | None:
    """Success of every arm and seed against what it paid, under the frontiers of the base."""
    points = [
        e for e in results.energies if e.family == family and group.index(e.policy) is not None
    ]
    if not points:
        return None
    figure, axes = panel()
    said = []
    for seed, p0 in _starts(results, group, family, points):
        kl_K, reward_K = tilting_frontier(p0)
        axes.plot(kl_K, reward_K, color="#566170", linewidth=1.1)
        said.append(f"of seed {seed} starts at {share(p0)}")
    _points(axes, points, group)
    # Room on the left for points at no divergence at all.
    axes.set_xlim(left=-0.3)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("paid: KL(arm || base), nats an attempt")
    axes.set_ylabel("success of the arm")
    known = [e.eta for e in points if e.eta is not None]
    words = (
        f"Success against divergence on {family}, n={len(points)} pairs of arm and seed; "
        + (f"the frontier {', '.join(said)}; " if said else "no frontier can be drawn; ")
        + (f"median eta {number(median(known))} (n={len(known)})." if known else "eta is unknown.")
    )
    name = f"energy-{group.place}-{list(results.setting.families).index(family)}"
    return Figured(family, words, svg_text(figure, name), _data(points, group, family))


def _points(axes: Axes, points: list[FreeEnergy], group: Group) -> None:
    for index, arm in enumerate(group.arms):
        own = [e for e in points if e.policy == arm.name]
        if not own:
            continue
        look = marker_look(index)
        paid = [max(e.kl.estimate, 0.0) for e in own]
        rewards = [e.p_arm for e in own]
        axes.hlines(
            rewards,
            [max(e.kl.low, 0.0) for e in own],
            [max(e.kl.high, 0.0) for e in own],
            colors=look["color"],
            linewidth=1.0,
            alpha=0.7,
        )
        axes.plot(paid, rewards, linestyle="none", markersize=5, alpha=0.85, **look)
    if max(e.kl.high for e in points) > _MANY_NATS:
        axes.set_xscale("asinh", linear_width=1.0)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS_NATS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")


def _starts(
    results: Results, group: Group, family: str, points: list[FreeEnergy]
) -> Iterator[tuple[int, float]]:
    """Each seed's success of the base before training, where it is known to be above zero."""
    for seed in sorted({e.seed for e in points}):
        p0 = next(e.p_base for e in points if e.seed == seed)
        if p0 == 0:
            estimated = [
                e.estimate
                for e in results.estimates
                if (e.base, e.seed, e.family) == (group.base.name, seed, family)
            ]
            p0 = median(estimated) if estimated else 0.0
        if p0 > 0:
            yield seed, min(p0, 1.0)


def _data(points: list[FreeEnergy], group: Group, family: str) -> Table:
    label = {policy.name: policy.label for policy in group.policies}
    columns: tuple[str, ...] = (
        "arm",
        "seed",
        "paid: KL, nats",
        "least needed, nats",
        "eta",
        "p of the arm",
    )
    columns += ("p of the base", "selection cost, nats", "base is at least")
    rows = [
        (
            *(label[e.policy], e.seed, e.kl, e.least, e.eta, e.p_arm),
            *(e.p_base, e.selection_cost, e.certificate),
        )
        for e in points
    ]
    return Table(f"reward and divergence on {family} from {group.base.name}", columns, rows)
