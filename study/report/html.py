"""The report: one self-contained HTML page, drawn from `results.json` alone; no scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from reachgym.envs.errors import StoreError
from reachgym.study.report import charts
from reachgym.study.report.text import number, one_line, share, visible
from reachgym.study.results import (
    SCHEMA_VERSION,
    ArmVerdict,
    ChangeName,
    Consumption,
    Interval,
    Results,
    SupportFlow,
    TaskMeasurement,
    VerdictName,
)

CHANGES: tuple[ChangeName, ...] = (
    "created",
    "elicited",
    "kept",
    "lost",
    "unreached",
    "undecided",
)
VERDICTS: tuple[VerdictName, ...] = ("creation", "elicitation", "shrinkage", "inconclusive")
OVER_ALL_FAMILIES = "all"
_TEMPLATES = resources.files("reachgym.study.report")


def read_results(path: Path) -> Results:
    """Read a study's `results.json`.

    Raises:
        StoreError: It is not there, or it is not such a file.
    """
    try:
        results = Results.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StoreError(
            f"cannot read {path} ({error.strerror}); give the folder of a finished study"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise _foreign(path, f"{where}: {first['msg']}") from None
    fault = _fault(results)
    if fault is not None:
        raise _foreign(path, fault)
    return results


def _foreign(path: Path, fault: str) -> StoreError:
    # The fault may quote a foreign file.
    return StoreError(
        f"{path} is not a results.json of schema version {SCHEMA_VERSION} ({one_line(fault)}); "
        "run the study again with this version"
    )


def _fault(results: Results) -> str | None:
    """What the schema cannot say: that the parts of a study speak of the same things."""
    if results.schema_version != SCHEMA_VERSION:
        return f"schema_version: {results.schema_version}"
    budgets = results.setting.sample_budgets
    headlines = [budget.attempts for budget in budgets if budget.headline]
    if len(headlines) != 1:
        return f"setting.sample_budgets: {len(headlines)} headline budgets where one is needed"
    if not all(0 < budget.p_in <= 1 for budget in budgets):
        return "setting.sample_budgets: p_in is no probability above zero"
    if not results.setting.interfaces:
        return "setting.interfaces: none"
    if not all(headlines[0] in m.labels for m in results.measurements):
        return f"measurements: a task without a label at B={headlines[0]}"
    known = {policy.name for policy in results.setting.policies}
    parts = (
        results.measurements,
        results.pass_at_k,
        results.flows,
        results.verdicts,
        results.consumption,
        results.curves,
        results.trajectories,
    )
    foreign = sorted({row.policy for part in parts for row in part} - known)
    return f"setting.policies: no policy {foreign[0]!r}" if foreign else None


def write_report(results: Results, path: Path) -> None:
    """Draw the page and put it in place in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render(results), encoding="utf-8")
    partial.replace(path)


def render(results: Results) -> str:
    """The page as text; equal results give equal text."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "number": number, "share": share}
    template = environment.from_string((_TEMPLATES / "page.html.j2").read_text("utf-8"))
    arms = [policy for policy in results.setting.policies if not policy.is_base]
    return template.render(
        results=results,
        setting=results.setting,
        style=Markup((_TEMPLATES / "style.css").read_text("utf-8")),
        arms=arms,
        labels={policy.name: policy.label for policy in results.setting.policies},
        headline=next(b for b in results.setting.sample_budgets if b.headline),
        compared=charts.compared_interface(results),
        overall={v.policy: v for v in results.verdicts if v.family == OVER_ALL_FAMILIES},
        by_family=_verdicts_by_family(results),
        answer=_answer(results),
        flows=flow_totals(results.flows),
        flow_sum=flow_sum,
        signed=_signed,
        changes=CHANGES,
        consumption=_means(results.consumption),
        measured=_measured(results.measurements),
        pass_figures=[charts.pass_at_k(results, family) for family in results.setting.families],
        map_figures=[charts.surprisal_map(results, arm) for arm in arms],
        curve_figures=[c for arm in arms if (c := charts.training_curve(results, arm))],
        policy_legend=charts.policy_legend(results),
        map_legend=charts.family_legend(results, "map"),
        curve_legend=charts.family_legend(results, "curve"),
        raw=Markup,
    )


def flow_totals(flows: Sequence[SupportFlow]) -> dict[tuple[str, str], dict[str, int]]:
    """Per policy and family, tasks by change summed over seeds, and `excluded` by chance."""
    summed: dict[tuple[str, str], dict[str, int]] = {}
    for flow in flows:
        empty = dict.fromkeys((*CHANGES, "excluded"), 0)
        counts = summed.setdefault((flow.policy, flow.family), empty)
        for change in CHANGES:
            counts[change] += flow.counts.get(change, 0)
        counts["excluded"] += flow.excluded_by_chance
    return summed


def flow_sum(counts: Mapping[str, int]) -> int:
    """Tasks compared: those of every change, without the excluded."""
    return sum(counts[change] for change in CHANGES)


def _signed(gain: Interval) -> str:
    return f"{gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}, n={gain.n:,})"


def _verdicts_by_family(results: Results) -> dict[str, list[ArmVerdict]]:
    order = list(results.setting.families)
    grouped: dict[str, list[ArmVerdict]] = {}
    for verdict in results.verdicts:
        if verdict.family != OVER_ALL_FAMILIES:
            grouped.setdefault(verdict.policy, []).append(verdict)
    for verdicts in grouped.values():
        verdicts.sort(key=lambda v: order.index(v.family) if v.family in order else len(order))
    return grouped


def _answer(results: Results) -> dict[VerdictName, dict[str, list[str]]]:
    """Per kind of verdict, every arm that it fits with the families on which it does."""
    answer: dict[VerdictName, dict[str, list[str]]] = {name: {} for name in VERDICTS}
    labels = {policy.name: policy.label for policy in results.setting.policies}
    grouped = _verdicts_by_family(results)
    for policy in results.setting.policies:
        for verdict in grouped.get(policy.name, []):
            for name in verdict.verdicts:
                answer[name].setdefault(labels[policy.name], []).append(verdict.family)
    return answer


def _measured(rows: Sequence[TaskMeasurement]) -> dict[tuple[str, str], list[TaskMeasurement]]:
    grouped: dict[tuple[str, str], list[TaskMeasurement]] = {}
    for row in rows:
        grouped.setdefault((row.policy, row.interface), []).append(row)
    return grouped


def _means(consumption: Sequence[Consumption]) -> Mapping[str, dict[str, float]]:
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
