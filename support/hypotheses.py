"""The tests a verdict is made of, each exact or guarded for few clusters.

A cluster is what was sampled independently: a task within one family, a family over all families.
Every function takes one value per cluster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from reachgym.support.counts import Floats

MIXTURES = 20_000


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


def share_above(values: ArrayLike, threshold: float) -> float:
    """P-value against a mean of at most `threshold`, for values in [0, 1].

    The values are mixed with uniform Dirichlet weights, one weight more going to the value 0; the
    p-value is the probability that the mixture stays at or below the threshold (Gaffke 2005;
    Learned-Miller & Thomas 2019, arXiv 1905.06208). For values in {0, 1} this **is** the exact
    binomial test, and so its bounds are Clopper-Pearson's: no collapse to [1, 1] when all are 1.
    In between its level is a conjecture that nobody has seen fail; the tests here simulate it.
    """
    mixed, exact = _mixture(np.asarray(values, dtype=float))
    if exact is not None:
        ones, zeros = exact
        return float(special.betainc(ones, zeros + 1, threshold)) if ones else 1.0
    return (1 + int((mixed <= threshold).sum())) / (1 + len(mixed))


def share_below(values: ArrayLike, threshold: float) -> float:
    """P-value against a mean of at least `threshold`; the mirror image of `share_above`."""
    return share_above(1.0 - np.asarray(values, dtype=float), 1.0 - threshold)


def share_lower(values: ArrayLike, alpha: float = 0.05) -> float:
    """One-sided lower bound on a mean of values in [0, 1], the inverse of `share_above`."""
    mixed, exact = _mixture(np.asarray(values, dtype=float))
    if exact is not None:
        ones, zeros = exact
        return float(special.betaincinv(ones, zeros + 1, alpha)) if ones else 0.0
    return float(np.quantile(mixed, alpha))


def share_upper(values: ArrayLike, alpha: float = 0.05) -> float:
    """One-sided upper bound on a mean of values in [0, 1]; mirror image of `share_lower`."""
    return 1.0 - share_lower(1.0 - np.asarray(values, dtype=float), alpha)


def gain_above(gains: ArrayLike, threshold: float) -> float:
    """P-value against a mean gain of at most `threshold`: a one-sided t-test over clusters.

    Never below `2**-K` for K clusters: so many agreeing by luck have that probability, whatever
    the spread; with fewer than five clusters nothing is significant at 0.05.
    """
    values = np.asarray(gains, dtype=float)
    if len(values) < 2:
        return 1.0
    return max(_t_tail(values, threshold), 0.5 ** len(values))


def equivalence(gains: ArrayLike, delta: float) -> float:
    """P-value of the two one-sided t-tests that the mean gain lies within ±delta (TOST).

    Never below `(1 - delta)**K` for K clusters: so many that show nothing do not exclude that a
    share delta of all such clusters changed wholly.
    """
    values = np.asarray(gains, dtype=float)
    if len(values) < 2:
        return 1.0
    both = max(_t_tail(values, -delta), _t_tail(-values, -delta))
    return max(both, (1.0 - delta) ** len(values))


def gain_bounds(gains: ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """One-sided t bounds on a mean gain, each at level alpha, within [-1, 1]."""
    values = np.asarray(gains, dtype=float)
    if len(values) < 2:
        return -1.0, 1.0
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = -float(special.stdtrit(len(values) - 1, alpha)) * error
    middle = float(values.mean())
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def _t_tail(values: Floats, threshold: float) -> float:
    excess = float(values.mean()) - threshold
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    if error < 1e-12:
        return 0.0 if excess > 1e-12 else 1.0
    return float(special.stdtr(len(values) - 1, -excess / error))


def _mixture(values: Floats) -> tuple[Floats, tuple[int, int] | None]:
    """Sorted random mixtures of the values and 0, or (ones, zeros) where all are 0 or 1."""
    if not np.all((values >= 0.0) & (values <= 1.0)):
        raise ValueError(f"A share needs values within [0, 1], got {values}.")
    points, counts = np.unique(values, return_counts=True)
    if np.isin(points, (0.0, 1.0)).all():
        ones = int(values.sum())
        return values, (ones, len(values) - ones)
    # A fixed generator: the same data must give the same verdict.
    rng = np.random.default_rng(0)
    weights = rng.standard_gamma(counts, size=(MIXTURES, len(counts)))
    total = weights.sum(axis=1) + rng.standard_gamma(1.0, size=MIXTURES)
    return np.asarray(weights @ points / total), None
