"""Where the next draws should go: to tasks without a label, and no further than that helps."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.anytime import ATOM_AT_ZERO, anytime_lower, anytime_upper
from reachgym.support.bounds import p_in, p_out
from reachgym.support.counts import Flags, Ints
from reachgym.support.labels import Label, labels


def next_draws(
    n: ArrayLike,
    c: ArrayLike,
    most: ArrayLike,
    chance_bound: ArrayLike = 1.0,
    *,
    attempts: int,
    alpha: float = 0.05,
) -> Ints:
    """How many draws to add to each task before looking again; 0 where no more should be made.

    A task is left alone when it has its label, when its draws show that it never will (success
    more likely than `p_out` and less than `p_in`), or when its own budget is spent. The others
    double their draws, except that a task which was never solved gets no more than it needs to be
    out of reach. Whatever this does, labels of `anytime.py`'s bounds stay valid.

    Args:
        n: Draws of each task so far, at least 1.
        c: Successes among them.
        most: The most draws that each task may get.
        chance_bound: As for `labels`.
        attempts: Sample budget B of the label that is wanted.
        alpha: Error of that label.
    """
    n_, c_, most_ = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.int64) for value in (n, c, most))
    )
    open_yet = labels(n_, c_, chance_bound, n_, c_, attempts=attempts, alpha=alpha)
    wanted = (open_yet == Label.UNDECIDED) & ~between(n_, c_, attempts, alpha)
    enough = np.where(c_ == 0, draws_without_success(attempts, alpha) - n_, n_)
    added = np.minimum(np.minimum(n_, enough), most_ - n_)
    return np.asarray(np.where(wanted, np.maximum(added, 0), 0), dtype=np.int64)


def between(n: ArrayLike, c: ArrayLike, attempts: int, alpha: float = 0.05) -> Flags:
    """Whether draws show that success is likelier than `p_out` and less likely than `p_in`."""
    low, high = anytime_lower(n, c, alpha), anytime_upper(n, c, alpha)
    return np.asarray((low > p_out(attempts)) & (high < p_in(attempts)))


def draws_without_success(attempts: int, alpha: float = 0.05) -> int:
    """Draws, all failing, that always suffice to call a task out of reach at any stopping.

    From the atom of the mixture alone: `ATOM * (1 - p_out)**-n >= 1 / alpha`.
    """
    return math.ceil(math.log(alpha * ATOM_AT_ZERO) / math.log1p(-p_out(attempts)))


def fixed_plan(n: ArrayLike, c: ArrayLike, *, attempts: int, alpha: float = 0.05) -> int:
    """Draws a task that a plan with one number for all needs to give the labels found here.

    The rates observed are taken for the truth; the largest need of any labelled task decides,
    since a plan that is fixed beforehand cannot know which task that is.

    Args:
        n: Draws of each task, added ones included.
        c: Successes among them.
        attempts: Sample budget B.
        alpha: Error of a label.
    """
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=np.int64), np.asarray(c, dtype=np.int64))
    found = labels(n_, c_, 1.0, n_, c_, attempts=attempts, alpha=alpha)
    rates = (c_ / np.maximum(n_, 1))[found != Label.UNDECIDED]
    wanted = found[found != Label.UNDECIDED]
    low, high = 0, int(n_.max(initial=1))
    while high - low > 1:
        middle = (low + high) // 2
        expected = np.floor(rates * middle + 0.5)
        got = labels(middle, expected, attempts=attempts, alpha=alpha)
        low, high = (low, middle) if np.array_equal(got, wanted) else (middle, high)
    return high
