"""The report: one self-contained HTML page, drawn from `results.json` alone; no scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from reachgym.envs.errors import StoreError
from reachgym.study.report import (
    contrasts,
    curves,
    doubts,
    energy,
    exposure,
    looks,
    surprisal,
)
from reachgym.study.report.consistency import fault
from reachgym.study.report.figure import (
    arm_legend,
    compared_interface,
    family_legend,
    groups_of,
    line_legend,
)
from reachgym.study.report.template import style, template
from reachgym.study.report.text import one_line
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
MOST_TASKS = 300
OVER_ALL_FAMILIES = "all"


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
    found = fault(results)
    if found is not None:
        raise _foreign(path, found)
    return results


def _foreign(path: Path, why: str) -> StoreError:
    # It may quote a foreign file.
    return StoreError(
        f"{path} is not a results.json of schema version {SCHEMA_VERSION} ({one_line(why)}); "
        "run the study again with this version"
    )


def write_report(results: Results, path: Path) -> None:
    """Draw the page and put it in place in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render(results), encoding="utf-8")
    partial.replace(path)


def render(results: Results) -> str:
    """The page as text; equal results give equal text."""
    return template("page.html.j2").render(
        _shared(results) | _figures(results) | _legends(results) | _tables(results)
    )


def _shared(results: Results) -> dict[str, object]:
    """What several sections of the page need."""
    flows, by_family = flow_totals(results.flows), _verdicts_by_family(results)
    return {
        "results": results,
        "setting": results.setting,
        "style": style(),
        "groups": groups_of(results),
        "labels": {policy.name: policy.label for policy in results.setting.policies},
        "headline": next(b for b in results.setting.sample_budgets if b.headline),
        "compared": compared_interface(results),
        "overall": {v.policy: v for v in results.verdicts if v.family == OVER_ALL_FAMILIES},
        "by_family": by_family,
        "answer": _answer(results),
        "judged_pairs": sum(len(by_family.get(arm.name, [])) for arm in groups_of(results)[0].arms),
        "flows": flows,
        "flow_sum": flow_sum,
        "signed": _signed,
        "changes": CHANGES,
        "consumption": _means(results.consumption),
        "most_tasks": MOST_TASKS,
        "measured": _measured(results.measurements),
        "exposures": exposure.by_exposure(results, flows),
    }


def _figures(results: Results) -> dict[str, object]:
    """Every figure that is drawn once for each base."""
    groups, families = groups_of(results), results.setting.families
    drawn = {
        "pass_figures": [[curves.pass_at_k(results, g, f) for f in families] for g in groups],
        "map_figures": [[surprisal.surprisal_map(results, g, a) for a in g.arms] for g in groups],
        "curve_figures": [[curves.training_curve(results, a) for a in g.arms] for g in groups],
        "discovery_figures": [[curves.discovery(results, g, f) for f in families] for g in groups],
        "energy_figures": [[energy.frontier(results, g, f) for f in families] for g in groups],
    }
    return {
        **{name: [[*filter(None, own)] for own in found] for name, found in drawn.items()},
        "exposure_legend": family_legend(results, "exposure"),
    }


def _legends(results: Results) -> dict[str, object]:
    """What stands beside the figures of each base."""
    groups = groups_of(results)
    known = {policy.name for policy in results.setting.policies}
    found = {point.policy for point in results.discoveries}
    return {
        "pass_legends": [line_legend(g, "pass", known) for g in groups],
        "discovery_legends": [line_legend(g, "discovery", found) for g in groups],
        "energy_legends": [arm_legend(g, "energy") for g in groups],
        "map_legends": [
            [
                *family_legend(results, f"map-{g.place}"),
                *surprisal.estimated_key(results, f"map-{g.place}"),
            ]
            for g in groups
        ],
        "curve_legends": [family_legend(results, f"curve-{g.place}") for g in groups],
    }


def _tables(results: Results) -> dict[str, object]:
    """Further looks, contrasts and everything that stands as a table alone."""
    doubting = {
        "estimates": doubts.estimates(results),
        "dynamics": doubts.dynamics(results),
        "crossings": doubts.crossings(results),
        "covers": doubts.covers(results),
        "compute_matched": doubts.compute_matched(results),
        "compositions": doubts.compositions(results),
        "economies": doubts.economies(results),
    }
    return {
        "further_looks": looks.further_looks(results),
        "elicitations": looks.elicitations(results),
        "forest": contrasts.forest(results),
        "contrast_table": contrasts.by_family(results),
        "doubting": {name: table for name, table in doubting.items() if table.rows},
    }


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
    """Per kind of verdict, arms of the first base that it fits, with the families."""
    answer: dict[VerdictName, dict[str, list[str]]] = {name: {} for name in VERDICTS}
    grouped = _verdicts_by_family(results)
    for policy in groups_of(results)[0].arms:
        for verdict in grouped.get(policy.name, []):
            for name in verdict.verdicts:
                answer[name].setdefault(policy.label, []).append(verdict.family)
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
