"""How likely a number of hits is, if each has a chance of its own."""

from __future__ import annotations

from collections.abc import Sequence

# What a sound environment is wrongly accused of once in ten thousand times.
SIGNIFICANCE = 1e-4


def tail(chances: Sequence[float], hits: int) -> float:
    """The probability of at least `hits` hits: the Poisson binomial distribution, exactly.

    Args:
        chances: The probability of a hit in each of the independent trials, shape `(n,)`.
        hits: The number of hits.
    """
    # counts[k]: the probability of k hits in the trials so far; those from `hits` on are one.
    counts = [1.0] + [0.0] * hits
    for chance in chances:
        for k in range(hits, 0, -1):
            kept = counts[k] if k == hits else counts[k] * (1 - chance)
            counts[k] = kept + counts[k - 1] * chance
        counts[0] *= 1 - chance if hits else 1.0
    return counts[hits]
