"""A permutation test on paired differences: flips of their signs, enumerated or drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# So many differences have 65,536 sign patterns, which are enumerated; beyond, flips are drawn.
_ENUMERATED = 16
_FLIPS = 9_999
_CHUNK = 2**21


def sign_flip_p(differences: ArrayLike, seed: int = 0) -> float:
    """Two-sided permutation p-value of a mean of differences under flips of their signs.

    Exact by enumeration where at most 16 differences are not zero; else Monte Carlo over 9,999
    flips with the observed one counted in (Phipson & Smyth 2010), so that it holds its level.

    Args:
        differences: One difference per task, shape (tasks,).
        seed: Of the flips that are drawn.
    """
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    observed = abs(float(np.sum(differences)))
    sizes = sizes[sizes > 0]
    # Sums of the same numbers in another order differ in their last digits.
    reached = observed - 1e-9 * max(1.0, float(sizes.sum()))
    if sizes.size <= _ENUMERATED:
        patterns = np.arange(2**sizes.size)[:, None] >> np.arange(sizes.size) & 1
        return float(np.mean(np.abs((2.0 * patterns - 1.0) @ sizes) >= reached))
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // sizes.size)
    extreme = 0
    for start in range(0, _FLIPS, rows):
        flips = rng.integers(0, 2, (min(rows, _FLIPS - start), sizes.size), dtype=np.int8)
        extreme += int((np.abs((2.0 * flips - 1.0) @ sizes) >= reached).sum())
    return (1 + extreme) / (1 + _FLIPS)
