"""The two references, base with tools and base without: what the interface does by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reachgym.support.counts import Estimate, Flags, TaskCounts
from reachgym.support.flow import find_reference
from reachgym.support.hypotheses import mean_lower, mean_upper
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
    families: dict[str, dict[str, list[TaskCounts]]] = {}
    for row in with_tools:
        families.setdefault(row.family, {}).setdefault(row.task, []).append(row)
    effects = []
    for family, tasks in families.items():
        after = [task_labels(rows, attempts, alpha) for rows in tasks.values()]
        pairs = [[find_reference(bare, row.seed, row) for row in rows] for rows in tasks.values()]
        before = [task_labels(rows, attempts, alpha) for rows in pairs]
        gained = sum(
            bool(np.all((old == Label.OUT_OF_REACH) & (new == Label.IN_REACH)))
            for old, new in zip(before, after, strict=True)
        )
        shares = [
            _share([one == Label.IN_REACH for one in side], alpha) for side in (before, after)
        ]
        effects.append(InterfaceEffect(family, shares[0], shares[1], gained, len(tasks)))
    return effects


def _share(reached: list[Flags], alpha: float) -> Estimate:
    per_task = np.array([flags.mean() for flags in reached])
    low, high = mean_lower(per_task, alpha / 2), mean_upper(per_task, alpha / 2)
    return Estimate(float(per_task.mean()), low, high, len(per_task))
