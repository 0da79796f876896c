"""The report: one self-contained HTML page, drawn from `results.json` alone; no scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from reachgym.envs.errors import StoreError
from reachgym.study.report import charts
from reachgym.study.results import ChangeName, Consumption, Results, SupportFlow

CHANGES: tuple[ChangeName, ...] = (
    "created",
    "elicited",
    "kept",
    "lost",
    "unreached",
    "undecided",
)
_TEMPLATES = resources.files("reachgym.study.report")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def read_results(path: Path) -> Results:
    """Read a study's `results.json`.

    Raises:
        StoreError: It is not there, or it is not such a file.
    """
    try:
        return Results.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot read {path} ({error.strerror}); give the folder of a finished study"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"{path} is not this version's results.json ({where}: {first['msg']}); "
            "run the study again"
        ) from None


def write_report(results: Results, path: Path) -> None:
    """Draw the page and put it in place in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render(results), encoding="utf-8")
    partial.replace(path)


def render(results: Results) -> str:
    """The page as text."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "number": number, "share": share}
    template = environment.from_string((_TEMPLATES / "page.html.j2").read_text("utf-8"))
    arms = [policy for policy in results.setting.policies if not policy.is_base]
    compared = charts.compared_interface(results)
    return template.render(
        results=results,
        setting=results.setting,
        style=Markup((_TEMPLATES / "style.css").read_text("utf-8")),
        arms=arms,
        labels={policy.name: policy.label for policy in results.setting.policies},
        headline=next(b for b in results.setting.sample_budgets if b.headline),
        compared=compared,
        verdicts={(v.policy, v.family): v for v in results.verdicts},
        flows=_flows(results.flows),
        changes=CHANGES,
        consumption=_totals(results.consumption),
        pass_figures=[charts.pass_at_k(results, family) for family in results.setting.families],
        map_figures=[charts.surprisal_map(results, arm) for arm in arms],
        curve_figures=[c for arm in arms if (c := charts.training_curve(results, arm))],
        policy_legend=charts.policy_legend(results),
        family_legend=charts.family_legend(results),
        raw=Markup,
    )


def visible(text: str) -> str:
    """Model-written text with control and direction characters made visible."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def number(value: float) -> str:
    """A count with thousands separators, or a small number with three digits."""
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:.3g}"


def share(value: float) -> str:
    """A probability: three decimals, or three digits where that would be zero."""
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def _flows(flows: Sequence[SupportFlow]) -> dict[tuple[str, str], dict[ChangeName, int]]:
    summed: dict[tuple[str, str], dict[ChangeName, int]] = {}
    for flow in flows:
        counts = summed.setdefault((flow.policy, flow.family), dict.fromkeys(CHANGES, 0))
        for change in CHANGES:
            counts[change] += flow.counts.get(change, 0)
    return summed


def _totals(consumption: Sequence[Consumption]) -> Mapping[str, dict[str, float]]:
    fields = [name for name in Consumption.model_fields if name not in ("policy", "seed")]
    totals: dict[str, dict[str, float]] = {}
    for row in consumption:
        values = totals.setdefault(row.policy, dict.fromkeys(fields, 0.0) | {"seeds": 0.0})
        values["seeds"] += 1
        for field, value in row.model_dump(include=set(fields)).items():
            values[field] += value
    for values in totals.values():
        for field in fields:
            values[field] /= values["seeds"]
    return totals
