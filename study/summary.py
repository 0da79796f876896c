"""What a study says at its end: the verdicts as a table, and where the report is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reachgym.study.results import ArmVerdict, Results

_COUNTED = ("created", "elicited", "lost")


def print_summary(results: Results, out: Path, console: Console) -> None:
    """Print what every arm did to every family, the notes, and the report's path.

    One line for an arm and a family with something to tell, so that it fits 80 columns.
    """
    headline = next(b.attempts for b in results.setting.sample_budgets if b.headline)
    table = Table(title=f"What training did, within {headline} attempts a task")
    for column in ("arm", "family", "verdict", "held-out tasks"):
        table.add_column(column)
    verdicts = {(v.policy, v.family): v for v in results.verdicts}
    for policy in results.setting.policies:
        if not policy.is_base:
            _add_arm(table, policy.label, policy.name, verdicts, results)
            table.add_section()
    console.print(table)
    for note in results.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    console.print(f"Report: {(out / 'report.html').resolve()}", soft_wrap=True, highlight=False)


def _add_arm(
    table: Table,
    label: str,
    policy: str,
    verdicts: dict[tuple[str, str], ArmVerdict],
    results: Results,
) -> None:
    quiet = []
    for family in results.setting.families:
        verdict, counts = verdicts[policy, family], _counts(results, policy, family)
        told = {change: counts[change] for change in _COUNTED if counts[change]}
        if not told and "inconclusive" in verdict.verdicts:
            quiet.append(family)
            continue
        tasks = ", ".join(f"{n} {change}" for change, n in told.items()) or "none changed"
        table.add_row(label, family, " + ".join(verdict.verdicts), f"{tasks} of {counts.total()}")
        label = ""
    if quiet:
        table.add_row(label, "the others", "inconclusive", "none changed")


def _counts(results: Results, policy: str, family: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for flow in results.flows:
        if (flow.policy, flow.family) == (policy, family):
            counts.update(flow.counts)
    return counts
