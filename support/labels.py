"""One of three labels for every task, policy and sample budget: in reach, out of it, undecided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from reachgym.support.anytime import anytime_upper, log_wealth
from reachgym.support.bounds import p_in, p_out, side_level, upper_bound
from reachgym.support.counts import Flags, TaskCounts, columns

LabelArray: TypeAlias = NDArray[np.str_]
_Test: TypeAlias = Callable[[ArrayLike, ArrayLike, ArrayLike], Flags]

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
    drawn: ArrayLike = 0,
    solved: ArrayLike = 0,
    *,
    attempts: int,
    alpha: float = 0.05,
) -> LabelArray:
    """The label of every (n, c); arrays broadcast, and the result equals `Label` members.

    A wrong label has probability at most alpha, whatever `p` is: for `n` fixed beforehand by
    Clopper-Pearson (the proof heads `bounds.py`), for draws that were added as needed by the
    betting bounds of `anytime.py`. Draws win over a chance bound that they refute: chance is
    declared, draws are seen.

    Args:
        n: Draws of each task.
        c: Successes among them.
        chance_bound: What the declared chance says success cannot exceed, only for interfaces
            that cannot reach the task's information; 1 where it says nothing.
        drawn: Draws in all where some could be added until the label is known, else 0.
        solved: Successes among these.
        attempts: Sample budget B.
        alpha: Probability of a wrong label.

    Raises:
        ValueError: c outside [0, n], alpha outside (0, 1/2), or attempts < 1.
    """
    n_, c_, bound, drawn_, solved_ = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (n, c, chance_bound, drawn, solved))
    )
    if not np.all((c_ >= 0) & (c_ <= n_)):
        raise ValueError("A label needs 0 <= c <= n: n counts the draws, c their successes.")
    added, least, most = drawn_ > 0, p_in(attempts), p_out(attempts)
    above, below = _fixed_tests(alpha)
    above_any, below_any = _anytime_tests(alpha)
    refuted = np.where(added, above_any(drawn_, solved_, bound), above(n_, c_, bound))
    inside = np.where(added, above_any(drawn_, solved_, least), above(n_, c_, least))
    excluded = np.where(added, below_any(drawn_, solved_, most), below(n_, c_, most))
    outside = excluded | ((bound <= most) & ~refuted)
    named = np.where(outside, Label.OUT_OF_REACH.value, Label.UNDECIDED.value)
    return np.asarray(np.where(inside, Label.IN_REACH.value, named))


def label(
    n: int,
    c: int,
    attempts: int,
    alpha: float = 0.05,
    chance_bound: float = 1.0,
    drawn: int = 0,
    solved: int = 0,
) -> Label:
    """The label of one task; see `labels`."""
    return Label(str(labels(n, c, chance_bound, drawn, solved, attempts=attempts, alpha=alpha)))


def task_labels(rows: Iterable[TaskCounts], attempts: int, alpha: float = 0.05) -> LabelArray:
    """The label of every record, in order; see `labels`."""
    return labels(*columns(rows), attempts=attempts, alpha=alpha)


def bound_source(
    n: int,
    c: int,
    alpha: float = 0.05,
    chance_bound: float = 1.0,
    drawn: int = 0,
    solved: int = 0,
) -> Literal["draws", "chance"]:
    """Where the tighter upper bound on success comes from: own draws, or declared chance."""
    if drawn:
        refuted = bool(_anytime_tests(alpha)[0](drawn, solved, chance_bound))
        tighter = chance_bound < float(anytime_upper(drawn, solved, alpha))
    else:
        refuted = bool(_fixed_tests(alpha)[0](n, c, chance_bound))
        tighter = chance_bound < float(upper_bound(n, c, side_level(alpha)))
    return "chance" if tighter and not refuted else "draws"


def witnessable(chance: ArrayLike, attempts: int) -> Flags:
    """Whether a task can witness creation: chance alone solves it rarely, `B * chance <= 0.01`."""
    return np.asarray(attempts * np.asarray(chance, dtype=float) <= MOST_CHANCE_SUCCESSES)


@lru_cache(maxsize=2**16)
def further_draws(
    n: int,
    c: int,
    attempts: int,
    alpha: float = 0.05,
    chance_bound: float = 1.0,
    *,
    adding: bool = False,
) -> int | None:
    """Draws still missing for a label, if successes keep coming at the observed rate.

    Args:
        n: Draws so far, added ones included.
        c: Successes among them.
        attempts: Sample budget B.
        alpha: Probability of a wrong label.
        chance_bound: What chance says success cannot exceed.
        adding: Whether draws are added as needed, which the label then has to bear.

    Returns:
        0 for a task that has its label; None where no number of draws is expected to give one,
        because the rate lies between `p_out` and `p_in`, or nothing was drawn.
    """

    def found(draws: int, solved: int, bound: float = 1.0) -> bool:
        more = (draws, solved) if adding else (0, 0)
        return label(draws, solved, attempts, alpha, bound, *more) is not Label.UNDECIDED

    if found(n, c, chance_bound):
        return 0
    rate = c / n if n else 1.0
    if n == 0 or p_out(attempts) <= rate <= p_in(attempts):
        return None

    def decided(draws: int) -> bool:
        return found(draws, project(n, c, draws))

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


def _fixed_tests(alpha: float) -> tuple[_Test, _Test]:
    """Whether p lies above, and whether below, a value: Clopper-Pearson, for n fixed."""
    level = side_level(alpha)
    return (
        lambda n, c, p: _at_least(n, c, p) <= level,
        lambda n, c, p: _at_most(n, c, p) <= level,
    )


def _anytime_tests(alpha: float) -> tuple[_Test, _Test]:
    """The same for draws that were added as needed: the wealth of betting against the value."""
    needed = -math.log(alpha)

    def refuted(n: ArrayLike, c: ArrayLike, p: ArrayLike) -> Flags:
        inner = np.clip(p, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)
        return np.asarray(log_wealth(n, c, inner) >= needed)

    return (
        lambda n, c, p: refuted(n, c, p) & (np.asarray(c) > np.asarray(n) * np.asarray(p)),
        lambda n, c, p: refuted(n, c, p) & (np.asarray(c) < np.asarray(n) * np.asarray(p)),
    )


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
