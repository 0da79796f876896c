"""One of three labels for every task, policy and sample budget: in reach, out of it, undecided."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from reachgym.support.bounds import p_in, p_out, side_level, upper_bound
from reachgym.support.counts import Flags, TaskCounts, columns

LabelArray: TypeAlias = NDArray[np.str_]

MOST_CHANCE_SUCCESSES = 0.01
FARTHEST_DRAWS = 10**8


class Label(StrEnum):
    """What is known of a policy on a task at a sample budget, at confidence 1 - alpha."""

    IN_REACH = "in_reach"
    OUT_OF_REACH = "out_of_reach"
    UNDECIDED = "undecided"


def labels(
    n: ArrayLike,
    c: ArrayLike,
    chance_bound: ArrayLike = 1.0,
    *,
    attempts: int,
    alpha: float = 0.05,
) -> LabelArray:
    """The label of every (n, c); arrays broadcast, and the result equals `Label` members.

    A wrong label has probability at most alpha, whatever `p` is, for `n` fixed beforehand (the
    proof heads `bounds.py`). Draws win over a chance bound that they refute: chance is declared,
    draws are seen.

    Args:
        n: Draws of each task.
        c: Successes among them.
        chance_bound: What the declared chance says success cannot exceed, only for interfaces
            that cannot reach the task's information; 1 where it says nothing.
        attempts: Sample budget B.
        alpha: Probability of a wrong label.

    Raises:
        ValueError: c outside [0, n], alpha outside (0, 1/2), or attempts < 1.
    """
    n_, c_, bound = np.broadcast_arrays(
        np.asarray(n, dtype=float),
        np.asarray(c, dtype=float),
        np.asarray(chance_bound, dtype=float),
    )
    if not np.all((c_ >= 0) & (c_ <= n_)):
        raise ValueError("A label needs 0 <= c <= n: n counts the draws, c their successes.")
    level = side_level(alpha)
    refuted = _at_least(n_, c_, bound) <= level
    inside = _at_least(n_, c_, p_in(attempts)) <= level
    outside = (_at_most(n_, c_, p_out(attempts)) <= level) | ((bound <= p_out(attempts)) & ~refuted)
    named = np.where(outside, Label.OUT_OF_REACH.value, Label.UNDECIDED.value)
    return np.asarray(np.where(inside, Label.IN_REACH.value, named))


def label(n: int, c: int, attempts: int, alpha: float = 0.05, chance_bound: float = 1.0) -> Label:
    """The label of one task; see `labels`."""
    return Label(str(labels(n, c, chance_bound, attempts=attempts, alpha=alpha)))


def task_labels(rows: Iterable[TaskCounts], attempts: int, alpha: float = 0.05) -> LabelArray:
    """The label of every record, in order; see `labels`."""
    return labels(*columns(rows), attempts=attempts, alpha=alpha)


def bound_source(
    n: int, c: int, alpha: float = 0.05, chance_bound: float = 1.0
) -> Literal["draws", "chance"]:
    """Where the tighter upper bound on success comes from: own draws, or declared chance."""
    level = side_level(alpha)
    refuted = float(_at_least(np.float64(n), np.float64(c), np.float64(chance_bound))) <= level
    tighter = chance_bound < float(upper_bound(n, c, level))
    return "chance" if tighter and not refuted else "draws"


def witnessable(chance: ArrayLike, attempts: int) -> Flags:
    """Whether a task can witness creation: chance alone solves it rarely, `B * chance <= 0.01`."""
    return np.asarray(attempts * np.asarray(chance, dtype=float) <= MOST_CHANCE_SUCCESSES)


def further_draws(
    n: int, c: int, attempts: int, alpha: float = 0.05, chance_bound: float = 1.0
) -> int | None:
    """Draws still missing for a label, if successes keep coming at the observed rate.

    Returns:
        0 for a task that has its label; None where no number of draws is expected to give one,
        because the rate lies between `p_out` and `p_in`, or nothing was drawn.
    """
    if label(n, c, attempts, alpha, chance_bound) is not Label.UNDECIDED:
        return 0
    rate = c / n if n else 1.0
    if n == 0 or p_out(attempts) <= rate <= p_in(attempts):
        return None

    def decided(draws: int) -> bool:
        return label(draws, project(n, c, draws), attempts, alpha) is not Label.UNDECIDED

    below, above = n, 2 * n
    while not decided(above):
        below, above = above, 2 * above
        if above > FARTHEST_DRAWS:
            return None
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if decided(middle) else (middle, above)
    return above - n


def project(n: int, c: int, draws: int) -> int:
    """Successes to expect among `draws` draws after `c` of `n`, to the nearest whole one."""
    return math.floor(c * draws / n + 0.5) if n else c


def _at_least(n: ArrayLike, c: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
    """P(X >= c) for X binomial(n, p)."""
    some = np.maximum(c, 1)
    tail = special.betainc(some, np.asarray(n) - some + 1.0, p)
    return np.asarray(np.where(np.asarray(c) == 0, 1.0, tail))


def _at_most(n: ArrayLike, c: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
    """P(X <= c) for X binomial(n, p)."""
    fewer = np.minimum(c, np.asarray(n) - 1.0)
    tail = special.betaincc(fewer + 1.0, np.asarray(n) - fewer, p)
    return np.asarray(np.where(np.asarray(c) == np.asarray(n), 1.0, tail))
