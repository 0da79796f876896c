"""The two references, base with tools and base without: what the interface does by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reachgym.support.counts import Estimate, TaskCounts
from reachgym.support.curves import clustered_mean
from reachgym.support.flow import find_reference
from reachgym.support.labels import Label, task_labels


@dataclass(frozen=True, slots=True)
class InterfaceEffect:
    """Base without tools against base with them: the tools' doing, never training's.

    Attributes:
        family: The family counted.
        without: Share of tasks in reach without tools, a mean over seeds; `n` counts tasks.
        with_tools: The same with tools.
        gained_tasks: Tasks out of reach without and in reach with tools, on every seed.
        tasks: Tasks counted.
    """

    family: str
    without: Estimate
    with_tools: Estimate
    gained_tasks: int
    tasks: int


def interface_effects(
    without: Iterable[TaskCounts],
    with_tools: Iterable[TaskCounts],
    attempts: int,
    alpha: float = 0.05,
) -> list[InterfaceEffect]:
    """How much of each family the base reaches without and with tools; training plays no part.

    Args:
        without: Counts of the base without tools, every seed.
        with_tools: Counts of the same base seeds with tools, on the same tasks.
        attempts: Sample budget B.
        alpha: Error of each label, and of the bounds on shares (alpha / 2 a side, over tasks).

    Raises:
        ValueError: A task was measured with tools only.
    """
    bare = {(row.seed, row.family, row.task): row for row in without}
    families: dict[str, list[TaskCounts]] = {}
    for row in with_tools:
        families.setdefault(row.family, []).append(row)
    effects = []
    for family, rows in families.items():
        after = task_labels(rows, attempts, alpha)
        before = task_labels([find_reference(bare, row.seed, row) for row in rows], attempts, alpha)
        gained = (before == Label.OUT_OF_REACH) & (after == Label.IN_REACH)
        without_it, with_it = (
            clustered_mean(rows, side == Label.IN_REACH, alpha=alpha) for side in (before, after)
        )
        lacking = {row.task for row, ours in zip(rows, gained, strict=True) if not ours}
        tasks = {row.task for row in rows}
        effects.append(
            InterfaceEffect(family, without_it, with_it, len(tasks - lacking), len(tasks))
        )
    return effects
