"""A drawn figure as SVG that can stand many times in one page, and the shared look of figures."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Told apart with every common colour vision and at least 3:1 against white paper; lines differ in
# dashes and points in shape as well. The first is the base's.
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#00805E", "#AA4499", "#8C6D31", "#3D8FC4", "#77760A")
_NEUTRAL = "#566170"
_MARKERS = "osD^vPX*"
_DASHES = ("-", "--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (9, 2)))
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.edgecolor": "#566170",
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
}
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_SHEET = re.compile(r"<style [^>]*>.*?</style>", re.DOTALL)
_NAMESPACE = re.compile(r'\s+xmlns(:\w+)?="[^"]*"')
_FONTS = re.compile(r" font-family: [^;\"]*;?")
_TAG = re.compile(r"<[^>]*>")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_MARKED = re.compile(r"<g( clip-path=\"[^\"]*\")>((?:<use [^>]*/>)+)</g>")
_STYLED = re.compile(r' style="([^"]*)"')
_NAMED = re.compile(r'(\bid="|href="#|url\(#)')


def panel(width_in: float = 3.6, height_in: float = 2.8) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes in the report's look."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        axes = figure.add_subplot()
    return figure, axes


def line_look(index: int) -> dict[str, Any]:
    """Colour and dashes of policy `index`, the base being 0; the pairs of 57 are distinct."""
    colour = _COLOURS[1 + (index - 1) % (len(_COLOURS) - 1)] if index else _COLOURS[0]
    return {"color": colour, "linestyle": _DASHES[index % len(_DASHES)]}


def marker_look(index: int) -> dict[str, Any]:
    """Colour and marker of family `index`; black is left to the base."""
    return {
        "color": _COLOURS[1 + index % (len(_COLOURS) - 1)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def line_swatch(index: int, legend: str) -> str:
    """The line that stands for policy `index` in the legend of that name."""
    figure, axes = panel(0.42, 0.2)
    axes.axis("off")
    axes.plot([0, 1], [0, 0], linewidth=2, **line_look(index))
    return svg_text(figure, f"{legend}-line-{index}")


def marker_swatch(index: int, legend: str) -> str:
    """The marker that stands for family `index` in the legend of that name."""
    figure, axes = panel(0.2, 0.2)
    axes.axis("off")
    axes.plot([0], [0], markersize=6, **marker_look(index))
    return svg_text(figure, f"{legend}-marker-{index}")


def estimated_swatch(legend: str) -> str:
    """The hollow marker with a whisker that stands for an estimate in the legend of that name."""
    figure, axes = panel(0.42, 0.2)
    axes.axis("off")
    axes.plot([0, 1], [0, 0], linewidth=1.2, color=_NEUTRAL)
    axes.plot([0], [0], "o", markersize=5.5, color=_NEUTRAL, markerfacecolor="white")
    axes.set_xlim(-0.5, 1.1)
    return svg_text(figure, f"{legend}-estimated")


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an `svg` element for HTML; equal figures and names give equal text.

    Every id carries `name`, so that several figures of one page never share one; namespaces and
    metadata, which HTML does not need, are left out, and with them every address.
    """
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for needless in (_METADATA, _SHEET, _NAMESPACE, _FONTS):
        text = needless.sub("", text)
    text = _compact(text)
    text = _NAMED.sub(lambda match: f"{match[0]}{name}-", text)
    return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def _compact(text: str) -> str:
    """The same drawing in fewer characters: hundredths of a point, and one style for like marks."""

    def shorter(tag: re.Match[str]) -> str:
        return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", " ".join(tag[0].split()))

    def shared(group: re.Match[str]) -> str:
        styles = set(_STYLED.findall(group[2]))
        if len(styles) != 1:
            return group[0]
        return f'<g{group[1]} style="{styles.pop()}">{_STYLED.sub("", group[2])}</g>'

    text = _TAG.sub(shorter, re.sub(r">\s+<", "><", text))
    return _MARKED.sub(shared, text.replace("xlink:href", "href"))
