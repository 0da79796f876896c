"""Exact bounds on a success probability, and the thresholds that reach turns on.

The level of a label. A label is wrong when `p` is not where it says: in reach with `p < p_in`, or
out of reach with `p > p_out`. Both are wrong for a `p` between the two. Labels use one-sided
Clopper-Pearson bounds, each at the level `side_level(alpha) = alpha - alpha**13`, and then the
probability of a wrong label is at most alpha for every `p`, `n` and `B`, if alpha < 1/2:

1.  Below `p_out` or above `p_in` one label only can be wrong, and Clopper-Pearson covers.
2.  In between, let `a` be the most successes called out of reach and `b > a` the fewest called in
    reach. `h(p) = P(c <= a) + P(c >= b)` has `h'(p) ~ (p/q)**(b-1-a) * const - 1` up to a positive
    factor, which changes sign once, upwards; so `h` is largest at an end of the gap.
3.  At `p_in`: put `s = -ln(1-p)`. `c <= a` says that the (a+1)-th of n unit exponentials exceeds
    `s`; such order statistics have a log-concave survival function G with G(0) = 1, hence
    `G(rs) <= G(s)**r` for r > 1. From `p_out` to `p_in`, `s` grows by ln .5 / ln .95 = 13.51, so
    `P(c <= a) <= alpha**13.51`.
4.  At `p_out`: that out of reach can be said at all means `(1-p_out)**n <= alpha`. And `b` lies
    above a median at `p_in`, so `b > n p_in`, and Chernoff gives `P(c >= b) <= exp(-n kl(p_in,
    p_out)) <= alpha**(kl / s)`, where `kl / s` is 16.2 at B = 1 and grows to 22.7.
5.  Either end adds at most `alpha**13` to a side's level, which `side_level` has taken off.

A two-sided interval (alpha/2 a side) would need 23 % more draws to say out of reach, for nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from reachgym.support.counts import Floats

LIKELY = 0.5
UNLIKELY = 0.05


def p_in(attempts: int) -> float:
    """Least success probability in reach: more likely than not within `attempts` attempts."""
    return -math.expm1(math.log1p(-LIKELY) / _positive(attempts))


def p_out(attempts: int) -> float:
    """Largest success probability out of reach: under 5 % within `attempts` attempts."""
    return -math.expm1(math.log1p(-UNLIKELY) / _positive(attempts))


def side_level(alpha: float) -> float:
    """Level of each one-sided bound of a label whose error is at most `alpha` (see above).

    Raises:
        ValueError: alpha is not strictly between 0 and 1/2.
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"A label's error alpha must lie in (0, 0.5), got {alpha}.")
    return alpha - alpha**13


def lower_bound(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> Floats:
    """One-sided Clopper-Pearson lower bound: below `p` with probability at least 1 - alpha.

    Args:
        n: Draws, fixed before the first was made; broadcasts with `c`.
        c: Successes among them.
        alpha: Error probability.

    Raises:
        ValueError: c lies outside [0, n], or alpha outside (0, 1).
    """
    n_, c_ = _counts(n, c, alpha)
    low = special.betaincinv(np.maximum(c_, 1), n_ - c_ + 1, alpha)
    return np.asarray(np.where(c_ == 0, 0.0, low))


def upper_bound(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> Floats:
    """One-sided Clopper-Pearson upper bound: above `p` with probability at least 1 - alpha.

    Arguments and errors are those of `lower_bound`.
    """
    n_, c_ = _counts(n, c, alpha)
    high = special.betainccinv(c_ + 1, np.maximum(n_ - c_, 1), alpha)
    return np.asarray(np.where(c_ == n_, 1.0, high))


def clopper_pearson(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Two-sided interval (Clopper & Pearson 1934): lower and upper bound at alpha / 2 each."""
    return lower_bound(n, c, alpha / 2), upper_bound(n, c, alpha / 2)


def attempts_to_success(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Interval of the expected attempts until the first success, `[1 / upper, 1 / lower]`.

    Infinite above where no draw succeeded; two-sided at confidence 1 - alpha.
    """
    low, high = clopper_pearson(n, c, alpha)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / high), np.asarray(1.0 / low)


def draws_to_exclude(attempts: int, alpha: float = 0.05) -> int:
    """Draws, all failing, that a task needs to be out of reach at a sample budget.

    About `58.4 * attempts` at alpha = 0.05: 3,738 draws for a budget of 64.
    """
    return math.ceil(_positive(attempts) * math.log(side_level(alpha)) / math.log1p(-UNLIKELY))


def _positive(attempts: int) -> int:
    if attempts < 1:
        raise ValueError(f"A sample budget counts attempts and is at least 1, got {attempts}.")
    return attempts


def _counts(n: ArrayLike, c: ArrayLike, alpha: float) -> tuple[Floats, Floats]:
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(c, dtype=float))
    if not np.all((c_ >= 0) & (c_ <= n_)):
        raise ValueError("A bound needs 0 <= c <= n: n counts the draws, c their successes.")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"The error probability alpha must lie in (0, 1), got {alpha}.")
    return n_, c_
