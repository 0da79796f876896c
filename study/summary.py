"""What a study says at its end: the verdicts as a table, and where the report is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from reachgym.study.results import ArmVerdict, Results

OVER_ALL_FAMILIES = "all"


def print_summary(results: Results, out: Path, console: Console) -> None:
    """Print the verdict of every arm on every family, the notes, and the report's path."""
    families = list(results.setting.families)
    headline = next(b.attempts for b in results.setting.sample_budgets if b.headline)
    table = Table(title=f"What training did, within {headline} attempts a task")
    table.add_column("arm")
    for family in families:
        table.add_column(family)
    table.add_column("over all")
    verdicts = {(v.policy, v.family): v for v in results.verdicts}
    for policy in results.setting.policies:
        if not policy.is_base:
            cells = [_cell(verdicts.get((policy.name, f))) for f in (*families, OVER_ALL_FAMILIES)]
            table.add_row(policy.label, *cells)
    console.print(table)
    for note in results.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    seconds = sum(results.stage_seconds.values())
    console.print(f"Work of all stages together: {seconds / 60:.1f} min of one lane")
    console.print(f"Report: {(out / 'report.html').resolve()}", soft_wrap=True, highlight=False)


def _cell(verdict: ArmVerdict | None) -> str:
    return "-" if verdict is None else " + ".join(verdict.verdicts)
