"""Unbiased point estimates from counts: pass@k, and the surprisal of success."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.counts import Floats, Ints


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased probability that at least one of `k` attempts succeeds.

    `1 - C(n-c, k) / C(n, k)` (Chen et al. 2021, arXiv 2107.03374), computed as
    `1 - prod_{i<c} (1 - k / (n-i))` in logarithms: no factorial is formed, and the error stays
    below 1e-10 for n up to a million.

    Args:
        n: Attempts made; broadcasts with the others.
        c: Attempts solved.
        k: Attempts allowed.

    Returns:
        An array of the broadcast shape.

    Raises:
        ValueError: k exceeds n somewhere (the estimate is undefined there, not 0 or 1), k < 1, or
            c lies outside [0, n].
    """
    whole = [np.asarray(value, dtype=np.int64) for value in (n, c, k)]
    n_, c_, k_ = np.broadcast_arrays(*whole)
    _check(n_, c_, k_)
    out = np.empty(n_.shape, dtype=np.float64)
    for draws, attempts in np.unique(np.stack([n_.ravel(), k_.ravel()]), axis=1).T:
        here = (n_ == draws) & (k_ == attempts)
        out[here] = _by_successes(int(draws), int(attempts), int(c_[here].max()))[c_[here]]
    return out


def surprisal_bits(p: ArrayLike) -> Floats:
    """Surprisal of success `-log2 p`, in bits; infinite at p = 0.

    Raises:
        ValueError: p lies outside [0, 1].
    """
    values = np.asarray(p, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"A surprisal needs probabilities within [0, 1], got {values}.")
    with np.errstate(divide="ignore"):
        return np.asarray(np.abs(np.log2(values)))


def _by_successes(n: int, k: int, most: int) -> Floats:
    """pass@k of n attempts for 0, 1, ..., `most` successes."""
    table = np.ones(most + 1)
    missable = min(most, n - k)
    steps = np.log1p(-k / (n - np.arange(missable, dtype=np.float64)))
    table[0] = 0.0
    table[1 : missable + 1] = -np.expm1(np.cumsum(steps))
    return table


def _check(n: Ints, c: Ints, k: Ints) -> None:
    for wrong, expected in (
        (k > n, "k <= n"),
        (k < 1, "k >= 1"),
        (c < 0, "c >= 0"),
        (c > n, "c <= n"),
    ):
        if wrong.any():
            at = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise ValueError(
                f"pass@k needs {expected}, got n={n[at]}, c={c[at]}, k={k[at]};"
                " draw more attempts or ask for a smaller k."
            )
