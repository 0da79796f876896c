"""What counts would be after the draws that labels lack, if successes keep their observed rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reachgym.support.counts import TaskCounts
from reachgym.support.evidence import Rules
from reachgym.support.labels import further_draws, project


def projected(
    counts: Sequence[TaskCounts], rules: Rules
) -> tuple[list[TaskCounts], dict[str, int]]:
    """The records with every label decided that draws can decide, and the draws by family."""
    projected: list[TaskCounts] = []
    made = dict.fromkeys((row.family for row in counts), 0)
    for row in counts:
        missing = _missing(row, rules)
        made[row.family] += missing
        draws = row.all_n + missing
        solved = project(row.all_n, row.all_c, draws)
        projected.append(
            replace(row, drawn=draws, solved=solved)
            if row.drawn
            else replace(row, n=draws, c=solved)
        )
    return projected, made


def _missing(row: TaskCounts, rules: Rules) -> int:
    """Draws that a task lacks for its label, as far as draws can give it one."""
    missing = further_draws(
        row.all_n,
        row.all_c,
        rules.attempts,
        rules.alpha,
        row.chance_bound,
        adding=row.drawn > 0,
    )
    return missing or 0
