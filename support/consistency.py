"""Success over tasks: the rate, at least one of k attempts (pass@k), and all of k (pass^k).

Attempts at one task depend on one another through the task, so that tasks are the sample: one
value stands for a task, and means are bounded over tasks by the limit of a bootstrap with one task
more at the worst end (`hypotheses.py`). With one attempt per task that is Clopper-Pearson, and no
interval has width zero, not even where every attempt succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.counts import Estimate, Floats, Ints
from reachgym.support.estimators import pass_at_k
from reachgym.support.hypotheses import mean_lower, mean_upper


@dataclass(frozen=True, slots=True)
class ConsistencyPoint:
    """Means over the tasks with at least `k` scored attempts; `n` of each counts those tasks.

    Attributes:
        k: Attempts at one task.
        some: pass@k, at least one of k attempts succeeds.
        every: pass^k, all of k attempts succeed.
    """

    k: int
    some: Estimate
    every: Estimate


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased probability that all of `k` attempts at a task succeed, `C(c, k) / C(n, k)`.

    pass^k of tau-bench (Yao et al. 2024, arXiv 2406.12045); pass@k of the failures, taken from 1.

    Args:
        n: Attempts scored; broadcasts with the others.
        c: Attempts solved.
        k: Attempts that must all succeed.

    Returns:
        An array of the broadcast shape.

    Raises:
        ValueError: k exceeds n somewhere (the estimate is undefined there), k < 1, or c lies
            outside [0, n].
    """
    n_ = np.asarray(n, dtype=np.int64)
    return np.asarray(1.0 - pass_at_k(n_, n_ - np.asarray(c, dtype=np.int64), k))


def task_mean(values: ArrayLike, *, least: float = 0.0, alpha: float = 0.05) -> Estimate:
    """Mean over tasks of one value per task, with bounds that hold for few tasks, too.

    Args:
        values: One value per task, shape (tasks,), each within [least, 1].
        least: What no value can fall below: 0 for rates, -1 for differences of rates.
        alpha: Error of the bounds, half on each side.

    Raises:
        ValueError: No task, a value out of range, or alpha outside (0, 1).
    """
    values_K = np.asarray(values, dtype=np.float64)
    if values_K.ndim != 1 or not values_K.size:
        raise ValueError(
            f"A mean over tasks needs one value per task, at least one, got shape {values_K.shape}."
        )
    if not np.all((values_K >= least) & (values_K <= 1.0)):
        raise ValueError(f"A mean over tasks needs values within [{least:g}, 1], got {values_K}.")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"The error probability alpha must lie in (0, 1), got {alpha}.")
    low, high = mean_lower(values_K, alpha / 2, least), mean_upper(values_K, alpha / 2)
    return Estimate(float(values_K.mean()), low, high, values_K.size)


def success_rate(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Mean over tasks of the share of attempts solved, bounded over tasks.

    Args:
        n: Attempts scored per task, shape (tasks,); tasks without any are left out.
        c: Attempts solved among them.
        alpha: Error of the bounds, half on each side.

    Raises:
        ValueError: No task with a scored attempt, or c outside [0, n].
    """
    return consistency_curve(n, c, [1], alpha)[0].some


def consistency_curve(
    n: ArrayLike, c: ArrayLike, ks: Sequence[int] | None = None, alpha: float = 0.05
) -> list[ConsistencyPoint]:
    """pass@k beside pass^k over tasks, one point per k.

    Each point is a mean over the tasks with at least k scored attempts. Where unscored attempts
    make `n` differ, points of different k may therefore speak of different tasks.

    Args:
        n: Attempts scored per task, shape (tasks,).
        c: Attempts solved among them.
        ks: Attempts at one task; 1, 2, 4, ... and the largest n where none are given.
        alpha: Error of the bounds of each mean, half on each side.

    Raises:
        ValueError: A k that no task has attempts for, k < 1, or c outside [0, n].
    """
    n_K, c_K = _per_task(n, c)
    grid = attempt_grid(int(n_K.max())) if ks is None else ks
    return [_point(n_K, c_K, k, alpha) for k in grid]


def attempt_grid(most: int) -> list[int]:
    """The powers of two below `most`, then `most`: 1, 2, 4, 6 for six attempts."""
    if most < 1:
        raise ValueError(f"A grid of attempts needs at least one scored attempt, got {most}.")
    return [*(2**i for i in range((most - 1).bit_length())), most]


def _point(n_K: Ints, c_K: Ints, k: int, alpha: float) -> ConsistencyPoint:
    enough = n_K >= k
    if not enough.any():
        raise ValueError(
            f"pass@k and pass^k need k <= n, got k={k} where no task has more than"
            f" {n_K.max()} scored attempts; draw more attempts or ask for a smaller k."
        )
    n_k, c_k = n_K[enough], c_K[enough]
    some, every = (task_mean(rule(n_k, c_k, k), alpha=alpha) for rule in (pass_at_k, pass_hat_k))
    return ConsistencyPoint(k, some, every)


def _per_task(n: ArrayLike, c: ArrayLike) -> tuple[Ints, Ints]:
    n_K, c_K = np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64)
    if n_K.ndim != 1 or n_K.shape != c_K.shape or not n_K.size:
        raise ValueError(
            f"Give n and c as one number per task, at least one, got {n_K.shape} and {c_K.shape}."
        )
    if not np.all((c_K >= 0) & (c_K <= n_K)):
        raise ValueError("Counts per task need 0 <= c <= n: n counts scored attempts, c solved.")
    return n_K, c_K
