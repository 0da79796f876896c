"""What the schema of results cannot say: that the parts of a study speak of the same things."""

from __future__ import annotations

from collections.abc import Iterator

from reachgym.study.results import SCHEMA_VERSION, Results


def fault(results: Results) -> str | None:
    """The first part that contradicts another, in words; None where all agree."""
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
    return _unknown_name(results)


def _unknown_name(results: Results) -> str | None:
    setting = results.setting
    policies = {policy.name for policy in setting.policies}
    bases = {policy.name for policy in setting.policies if policy.is_base}
    if not bases:
        return "setting.policies: no base"
    checks = (
        ("setting.policies", "policy", _policies(results), policies),
        ("setting.policies", "base", _bases(results), bases),
        (
            "setting.evaluations",
            "evaluation",
            (score.evaluation for score in results.evaluations),
            {look.name for look in setting.evaluations},
        ),
    )
    for where, what, named, known in checks:
        foreign = sorted(set(named) - known)
        if foreign:
            return f"{where}: no {what} {foreign[0]!r}"
    return None


def _policies(results: Results) -> Iterator[str]:
    parts = (
        results.measurements,
        results.pass_at_k,
        results.flows,
        results.verdicts,
        results.dynamics,
        results.covers,
        results.crossings,
        results.evaluations,
        results.economies,
        results.energies,
        results.compute_matched,
        results.discoveries,
        results.consumption,
        results.curves,
        results.trajectories,
    )
    return (row.policy for part in parts for row in part)


def _bases(results: Results) -> Iterator[str]:
    parts = (
        results.setting.policies,
        results.interface_effects,
        results.estimates,
        results.compositions,
    )
    return (row.base for part in parts for row in part)
