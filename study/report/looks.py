"""Further looks at the same policies: what each showed, the base's elicitation apart."""

from __future__ import annotations

from reachgym.study.report.table import Table
from reachgym.study.results import EvaluationInfo, Results


def further_looks(results: Results) -> list[tuple[EvaluationInfo, Table]]:
    """Every look that left the policy act as measured, with its table."""
    return [(e, _table(results, e)) for e in _found(results) if not e.elicits]


def elicitations(results: Results) -> list[tuple[EvaluationInfo, Table]]:
    """Every look that let the policy act otherwise, with what arms had created."""
    return [(e, _table(results, e)) for e in _found(results) if e.elicits]


def _found(results: Results) -> list[EvaluationInfo]:
    scored = {score.evaluation for score in results.evaluations}
    return [e for e in results.setting.evaluations if e.name in scored]


def _table(results: Results, look: EvaluationInfo) -> Table:
    labels = {policy.name: policy.label for policy in results.setting.policies}
    columns: tuple[str, ...] = (
        "policy",
        "family",
        "pass@1",
        "in reach",
        "n tasks and seeds",
        "attempts at each",
    )
    if look.elicits:
        columns = (*columns[:4], "of these, created by an arm", *columns[4:])
    rows = []
    for s in results.evaluations:
        if s.evaluation == look.name:
            reached = (s.in_reach, s.reached_created) if look.elicits else (s.in_reach,)
            rows.append((labels[s.policy], s.family, s.pass_at_1, *reached, s.tasks, s.draws))
    return Table(f"look {look.name}", columns, rows)
