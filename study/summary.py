"""What a study says at its end: the verdicts as a table, and where the report is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reachgym.study.results import ArmVerdict, PolicyInfo, Results

_COUNTED = ("created", "elicited", "lost")


def print_summary(results: Results, out: Path, console: Console) -> None:
    """Print what every arm did to every family, the notes, and the report's path.

    One line for an arm and a family with something to tell, so that it fits 80 columns; a table
    for each base that arms were trained from.
    """
    headline = next(b.attempts for b in results.setting.sample_budgets if b.headline)
    policies = results.setting.policies
    bases = [policy for policy in policies if policy.is_base]
    for base in bases:
        arms = [policy for policy in policies if policy.base == base.name and not policy.is_base]
        title = f"What training did, within {headline} attempts a task"
        if len(bases) > 1:
            title += f", from {base.label}"
        if arms:
            console.print(_table(Text(title), arms, results))
    for note in results.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    console.print(
        f"Report: {(out / 'report.html').resolve()}", soft_wrap=True, highlight=False, markup=False
    )


def _table(title: Text, arms: list[PolicyInfo], results: Results) -> Table:
    table = Table(title=title)
    for column in ("arm", "family", "verdict", "held-out tasks"):
        table.add_column(column)
    verdicts = {(v.policy, v.family): v for v in results.verdicts}
    for arm in arms:
        _add_arm(table, arm, verdicts, results)
        table.add_section()
    return table


def _add_arm(
    table: Table,
    arm: PolicyInfo,
    verdicts: dict[tuple[str, str], ArmVerdict],
    results: Results,
) -> None:
    # Labels are text, whatever markup they look like.
    label, quiet = Text(arm.label), False
    for family in results.setting.families:
        verdict = verdicts.get((arm.name, family))
        if verdict is None:
            continue
        counts = _counts(results, arm.name, family)
        told = {change: counts[change] for change in _COUNTED if counts[change]}
        if not told and "inconclusive" in verdict.verdicts:
            quiet = True
            continue
        tasks = ", ".join(f"{n} {change}" for change, n in told.items()) or "none changed"
        claims = " + ".join(verdict.verdicts)
        table.add_row(label, Text(family), claims, f"{tasks} of {counts.total()}")
        label = Text()
    if quiet:
        table.add_row(label, "the others", "inconclusive", "none changed")


def _counts(results: Results, policy: str, family: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for flow in results.flows:
        if (flow.policy, flow.family) == (policy, family):
            counts.update(flow.counts)
    return counts
