"""The look: text has contrast, lines and points are told apart without colour."""

import re
from importlib import resources

import pytest

from reachgym.study.report.svg import line_look, marker_look, panel, svg_text

LEAST_TEXT = 4.5
LEAST_LINE = 3.0
SHEET = (resources.files("reachgym.study.report") / "style.css").read_text("utf-8")
NAMED = dict(re.findall(r"--([a-z]+): *(#[0-9a-f]{3,6})", SHEET))
RULES = [
    (selector.strip(), dict(re.findall(r"([a-z-]+): *([^;]+)", body)))
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET)
]


def rgb(value):
    found = re.search(r"var\(--([a-z]+)\)|(#[0-9a-f]{3,6})", value)
    if not found:
        return None
    digits = (NAMED[found[1]] if found[1] else found[2])[1:]
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    return [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def grounds():
    """Backgrounds that running text may stand on; bars and swatches hold no text."""
    return [
        rgb(own[key])
        for selector, own in RULES
        for key in ("background",)
        if key in own and rgb(own[key]) and not re.search(r"\.bar|\.badge|^\.[a-z]+$", selector)
    ] + [rgb("var(--paper)"), rgb("var(--wash)"), rgb("#fff8e6")]


@pytest.mark.parametrize(
    ("selector", "own"),
    [(s, own) for s, own in RULES if rgb(own.get("color", ""))],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_text_has_contrast_on_every_ground_it_may_stand_on(selector, own):
    text = rgb(own["color"])
    own_ground = rgb(own.get("background", ""))
    for ground in [own_ground] if own_ground else grounds():
        assert contrast(text, ground) >= LEAST_TEXT, selector


@pytest.mark.parametrize("badge", ["creation", "elicitation", "shrinkage", "inconclusive"])
def test_badges_have_contrast(badge):
    own = dict(RULES)[f".badge.{badge}"]
    text = rgb(own.get("color", "var(--ink)"))
    assert contrast(text, rgb(own["background"])) >= LEAST_TEXT


def test_lines_and_points_have_contrast_and_differ_in_more_than_colour():
    looks = [line_look(index) for index in range(57)]
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == len(looks)
    assert [i for i, look in enumerate(looks) if look["color"] == looks[0]["color"]] == [0]
    assert len({str(look["linestyle"]) for look in looks[:8]}) == 8
    assert len({marker_look(index)["marker"] for index in range(8)}) == 8
    for look in looks:
        assert contrast(rgb(look["color"].lower()), (1, 1, 1)) >= LEAST_LINE


def test_what_the_keyboard_reaches_shows_that_it_has_focus():
    focused = next(s for s, own in RULES if "outline" in own)
    for reached in ("a", "summary", ".scroll"):
        assert f"{reached}:focus-visible" in focused
    assert not [s for s, own in RULES if own.get("outline", "").startswith(("none", "0"))]


def test_print_unfolds_what_is_read_and_breaks_between_figures():
    (paper,) = re.findall(r"@media print \{(.*)\}", SHEET, re.DOTALL)
    assert "details:not(.bulk)::details-content { content-visibility: visible" in paper
    assert re.search(r"figure[^{]*\{ break-inside: avoid", paper)
    assert re.search(r"\.scroll \{ overflow: visible", paper)


def test_turned_words_of_a_figure_stay():
    figure, axes = panel()
    axes.set_xticks([0, 1], ["plain", "turned"], rotation=20)
    assert ">turned</text>" in svg_text(figure, "turned")
