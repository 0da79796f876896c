"""The tests a verdict is made of; none assumes a normal distribution or many clusters.

A cluster is what was sampled independently: a task within one family, a family over all families.
Every function takes one value per cluster.

Bounds on a mean of values with a known range mix the values, and one more value at the worst end
of the range, with uniform Dirichlet weights; the bound is a quantile of that random mixture (Gaffke
2005; Learned-Miller & Thomas 2019, arXiv 1905.06208). For values in {0, 1} this **is**
Clopper-Pearson and the exact binomial test, so nothing collapses to [1, 1] when all tasks agree,
which a bootstrap does. In between, its coverage is a conjecture without a known counterexample; the
tests enumerate and simulate it. A t-test would be tighter, but gains in pass@B are skewed: with 32
tasks, a tenth of which gain wholly, a t-test calls the gain smaller than a tenth 16 % of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from reachgym.support.counts import Floats

# The integrand is analytic within pi/2 of the real axis of log u, where steps this small leave
# the trapezoid rule an error far below the tails cut off.
_STEP = 0.05
_TAIL = 1e-13


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order given: reject where at most alpha."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted


def sign_test(differences: ArrayLike) -> float:
    """Exact one-sided sign test that differences are more often positive than negative.

    With differences in {-1, 0, 1} this is the exact one-sided McNemar test on the discordant
    pairs. Zeros count for nothing.
    """
    signs = np.sign(np.asarray(differences, dtype=float))
    above, below = int((signs > 0).sum()), int((signs < 0).sum())
    return float(special.bdtrc(above - 1, above + below, 0.5)) if above else 1.0


def mean_above(values: ArrayLike, threshold: float, least: float = 0.0) -> float:
    """P-value against a mean of at most `threshold`.

    Args:
        values: One value per cluster.
        threshold: The mean to be exceeded.
        least: What no value can fall below.

    Raises:
        ValueError: A value lies below `least`.
    """
    points, counts = _points(values, least)
    return _mixture_at_most(points, counts, threshold)


def mean_below(values: ArrayLike, threshold: float, most: float = 1.0) -> float:
    """P-value against a mean of at least `threshold`; the mirror image of `mean_above`."""
    return mean_above(-np.asarray(values, dtype=float), -threshold, -most)


def mean_lower(values: ArrayLike, alpha: float = 0.05, least: float = 0.0) -> float:
    """One-sided lower bound on a mean at level alpha, the inverse of `mean_above`."""
    points, counts = _points(values, least)
    if points[-1] == least:
        return least

    def excess(threshold: float) -> float:
        return _mixture_at_most(points, counts, threshold) - alpha

    return float(optimize.brentq(excess, least, points[-1], xtol=1e-12))


def mean_upper(values: ArrayLike, alpha: float = 0.05, most: float = 1.0) -> float:
    """One-sided upper bound on a mean at level alpha; the mirror image of `mean_lower`."""
    return -mean_lower(-np.asarray(values, dtype=float), alpha, -most)


def equivalence(gains: ArrayLike, delta: float) -> float:
    """P-value of two one-sided tests (TOST) that a mean gain in [-1, 1] lies within ±delta.

    Needs many clusters where delta is small: K clusters without any gain give `(1 - delta)**K`,
    because so many do not exclude that a share delta of all such clusters changed wholly.
    """
    return max(mean_below(gains, delta, most=1.0), mean_above(gains, -delta, least=-1.0))


def _points(values: ArrayLike, least: float) -> tuple[Floats, Floats]:
    """The distinct values, ascending and with `least` once more, and how often each occurs."""
    extended = np.append(np.asarray(values, dtype=float), least)
    points, counts = np.unique(extended, return_counts=True)
    if points[0] < least:
        raise ValueError(
            f"A mean was to be bounded on values of at least {least}, got {points[0]}."
        )
    return points, counts.astype(float)


def _mixture_at_most(points: Floats, counts: Floats, threshold: float) -> float:
    """P(sum of w_i x_i <= threshold) for Dirichlet weights w with parameters `counts`.

    The weights are gamma variables over their sum, so this is P(sum of g_i (x_i - threshold) <= 0),
    read off the characteristic function (Gil-Pelaez 1951) in the variable log u.
    """
    a = points - threshold
    if a[0] >= 0 or a[-1] <= 0:
        return 1.0 if a[-1] <= 0 else 0.0
    # Below `least` the integrand is (counts @ a) u to third order, and its sum geometric.
    least = math.log(_TAIL) / 3 - math.log(counts @ np.abs(a))
    au = a * np.exp(np.arange(least, _negligible_from(a, counts), _STEP))[:, None]
    angle = np.arctan(au) @ counts
    log_modulus = np.log1p(au * au) @ counts / 2
    below = float(counts @ a) * math.exp(least) / math.expm1(_STEP)
    integral = (float((np.sin(angle) * np.exp(-log_modulus)).sum()) + below) * _STEP
    return min(1.0, max(0.0, 0.5 - integral / math.pi))


def _negligible_from(a: Floats, counts: Floats) -> float:
    """Log of a u from which on the integrand's tail is below `_TAIL`.

    With one value the modulus falls as 1/u, so that the tail beyond u is about the modulus there.
    """
    below, above = -math.log(float(np.abs(a).max())), math.log(1 / (_TAIL * float(np.abs(a).max())))
    while above - below > 1.0:
        middle = (below + above) / 2
        falls = float(np.log1p(np.square(a * math.exp(middle))) @ counts) / 2
        below, above = (below, middle) if falls > -math.log(_TAIL) else (middle, above)
    return above
