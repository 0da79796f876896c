"""Templates of pages that stand alone: every text is escaped, and made visible where shown."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from reachgym.study.report.table import cell
from reachgym.study.report.text import number, share, visible

_FILES = resources.files("reachgym.study.report")


def template(name: str) -> Template:
    """A template of this folder, with the filters that the macros use."""
    environment = Environment(
        loader=FunctionLoader(lambda found: (_FILES / found).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "number": number, "share": share, "cell": cell}
    return environment.get_template(name)


def style() -> Markup:
    """The style sheet that pages have in them."""
    return Markup((_FILES / "style.css").read_text("utf-8"))
