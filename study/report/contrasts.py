"""Contrasts between arms: a forest plot, and a table of every family."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reachgym.study.report.figure import Figured
from reachgym.study.report.svg import panel, svg_text
from reachgym.study.report.table import Table
from reachgym.study.report.text import one_line, share
from reachgym.study.results import ContrastResult, Results

OVER_ALL_FAMILIES = "all"
_LONGEST_LABEL = 46
_ROW_IN = 0.46
_AXIS_IN = 0.55


def forest(results: Results) -> Figured | None:
    """One band a contrast, over all families and in each where some arm created something."""
    drawn = [c for c in results.contrasts if c.family == OVER_ALL_FAMILIES or any(c.terms.values())]
    if not drawn:
        return None
    figure, axes = panel(height_in=_AXIS_IN + _ROW_IN * len(drawn))
    axes.axvline(0.0, color="#566170", linewidth=1.2, zorder=0)
    for row, contrast in enumerate(drawn):
        _band(axes, row, contrast)
    axes.set_ylim(len(drawn) - 0.5, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("difference of created shares")
    said = "; ".join(
        f"{c.label}, {c.family}: {c.difference.estimate:+.3f} ({c.difference.low:+.3f} to"
        f" {c.difference.high:+.3f}, n={c.difference.n} tasks)"
        for c in drawn
    )
    words = f"Differences of created shares: {said}."
    return Figured(
        "Over families, and within them", words, svg_text(figure, "forest"), by_family(results)
    )


def by_family(results: Results) -> Table:
    """Every contrast, over all families and in each, with the shares that it is made of."""
    rows = [(c.label, c.family, c.difference, _terms(c)) for c in results.contrasts]
    columns = ("contrast", "family", "difference of created shares", "created share of each")
    return Table("contrasts between arms", columns, rows)


def _terms(contrast: ContrastResult) -> str:
    return ", ".join(f"{part} {share(value)}" for part, value in contrast.terms.items())


def _band(axes: Axes, row: int, contrast: ContrastResult) -> None:
    found = contrast.difference
    # Decided either way is filled, open is hollow: shape tells it, not colour alone.
    decided = found.low > 0 or found.high < 0
    axes.plot([found.low, found.high], [row, row], color="#0072B2", linewidth=2.0)
    axes.plot(
        [found.estimate],
        [row],
        marker="o",
        markersize=6,
        color="#0072B2",
        markerfacecolor="#0072B2" if decided else "white",
    )
    axes.annotate(
        one_line(f"{contrast.label}: {contrast.family}", _LONGEST_LABEL),
        (0.0, row - 0.3),
        xycoords=("axes fraction", "data"),
        verticalalignment="bottom",
        fontsize=8.5,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )
