"""Means over tasks and families with exact bounds, and the curve of pass@k.

A mean speaks of the models that were trained, on tasks (or families) like those measured. One
value stands for a cluster: a task's, averaged over seeds, within one family; a family's, averaged
over its tasks, over several. What happens below a cluster, draws included, is in its value, so that
only clusters need resampling; the bounds are the limit of such a bootstrap with one more cluster at
the worst end (`hypotheses.py`).

A hierarchical bootstrap over seeds, families, tasks and draws was tried first. With three seeds and
24 tasks its 95 % bands held 83 to 94 times in a hundred, because percentiles of few values cannot
be wide enough (`benchmarks/coverage.py` shows it beside these). Two or three training runs bear no
interval of their own, so their values are given one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.counts import Estimate, Floats, TaskCounts, columns
from reachgym.support.estimators import pass_at_k
from reachgym.support.hypotheses import mean_lower, mean_upper


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """pass@k averaged over tasks.

    Attributes:
        k: Attempts allowed.
        value: Estimate and bounds; its `n` counts distinct tasks.
        seeds: The same mean for each training seed, ascending by seed.
        draws: Smallest number of draws of any task in it.
    """

    k: int
    value: Estimate
    seeds: tuple[float, ...]
    draws: int


def pass_at_k_curve(
    counts: Iterable[TaskCounts], ks: Sequence[int], alpha: float = 0.05
) -> list[CurvePoint]:
    """pass@k of one policy over seeds, families and tasks, one point per k.

    Args:
        counts: Records of one policy through one interface.
        ks: Attempts allowed, each at most the smallest `n`.
        alpha: Error of the bounds, half on each side.

    Raises:
        ValueError: No records, or k exceeds a task's draws.
    """
    rows = sorted(counts, key=_place)
    draws = columns(rows)
    seeds = np.array([row.seed for row in rows], dtype=np.int64)
    curve = []
    for k in ks:
        values = pass_at_k(draws.n, draws.c, k)
        of_seeds = (np.flatnonzero(seeds == seed) for seed in np.unique(seeds))
        by_seed = (_mean(_clusters([rows[i] for i in at], values[at])) for at in of_seeds)
        value = clustered_mean(rows, values, alpha=alpha)
        curve.append(CurvePoint(k, value, tuple(by_seed), int(np.min(draws.n))))
    return curve


def clustered_mean(
    counts: Iterable[TaskCounts],
    values: ArrayLike,
    *,
    least: float = 0.0,
    most: float = 1.0,
    alpha: float = 0.05,
) -> Estimate:
    """Mean over families of means over tasks of means over seeds of one value per record.

    Args:
        counts: The records that the values belong to; only their family and task are read.
        values: One number per record, such as a flag for `created`.
        least: What no value can fall below.
        most: What no value can exceed.
        alpha: Error of the bounds, half on each side.

    Returns:
        Mean and bounds; `n` counts distinct tasks.

    Raises:
        ValueError: No records, not one value per record, or a value outside its range.
    """
    rows = list(counts)
    numbers = np.asarray(values, dtype=float)
    if not rows:
        raise ValueError("A mean over tasks needs at least one record of counts, got none.")
    if numbers.shape != (len(rows),):
        raise ValueError(f"{len(rows)} records need one value each, got shape {numbers.shape}.")
    order = sorted(range(len(rows)), key=lambda at: _place(rows[at]))
    clusters = _clusters([rows[at] for at in order], numbers[order])
    return Estimate(
        _mean(clusters),
        mean_lower(clusters, alpha / 2, least),
        mean_upper(clusters, alpha / 2, most),
        len({(row.family, row.task) for row in rows}),
    )


def _place(row: TaskCounts) -> tuple[str, str, int]:
    return row.family, row.task, row.seed


def _clusters(rows: Sequence[TaskCounts], values: Floats) -> Floats:
    """One value per family; per task where there is but one family."""
    families: dict[str, dict[str, list[float]]] = {}
    for row, value in zip(rows, values, strict=True):
        families.setdefault(row.family, {}).setdefault(row.task, []).append(float(value))
    means = [[float(np.mean(task)) for task in tasks.values()] for tasks in families.values()]
    return np.sort(means[0] if len(means) == 1 else [float(np.mean(tasks)) for tasks in means])


def _mean(clusters: Floats) -> float:
    return float(clusters.mean())
