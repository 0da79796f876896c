"""Whether an importance-sampling estimate can be trusted: what its weights show, and what not.

Every check here reads the successes that were seen. **A perfect effective sample size proves
nothing about routes to success that were missed**: a mixture whose policies know one route only has
even weights on it and an estimate that may be orders of magnitude low. Only draws of the base in
the mixture, and agreement with them where the base succeeds often enough to count, guard against
that; both are checks below, and neither can see a route that no draw took.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reachgym.support.bounds import clopper_pearson
from reachgym.support.counts import Floats

LEAST_ESS = 30.0
MOST_SHARE = 0.2
MOST_PARETO_K = 0.7
LEAST_DIRECT_SUCCESSES = 5
LEAST_TAIL = 5


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What speaks for and against one importance-sampling estimate.

    Attributes:
        base_draws: Draws of the base in the mixture; without any, a route that only the base takes
            is missed, and the estimate is expected to be low.
        ess: Effective number of successes, `(sum w)**2 / sum w**2`; 0 where nothing has weight.
        largest_share: Share of the estimate that the weightiest success holds; 1 where nothing
            has weight.
        pareto_k: Shape of the weights' tail; from 0.7 on averages of them settle too slowly to be
            believed. Minus infinity where the largest weights are all the same; infinite where
            the tail is too short to tell.
        routes: Distinct successful trajectories with weight. Reported, never judged: how many
            there are to find is not known.
        agrees: Whether the estimate and the base's own draws are compatible; None where the base
            succeeded too seldom to say.
    """

    base_draws: int
    ess: float
    largest_share: float
    pareto_k: float
    routes: int
    agrees: bool | None

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        checks = {
            "base_draws": self.base_draws > 0,
            "ess": self.ess >= LEAST_ESS,
            "largest_share": self.largest_share <= MOST_SHARE,
            "pareto_k": self.pareto_k < MOST_PARETO_K,
            "agrees": self.agrees is not False,
        }
        return tuple(name for name, passed in checks.items() if not passed)

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed


class BaseDraws(NamedTuple):
    """The base's own draws in the mixture: how many, and how many of them succeeded."""

    n: int
    c: int


def diagnose(
    weights: Floats, routes: NDArray[np.generic], own: BaseDraws, low: float, alpha: float
) -> Diagnostics:
    """Every diagnostic of one estimate.

    Args:
        weights: The terms of the successes, whose sum is the estimate.
        routes: Something equal for equal trajectories only, for each term.
        own: The base's draws.
        low: Lower bound that holds whatever the diagnostics say.
        alpha: Error probability of the interval of the base's draws.
    """
    return Diagnostics(
        base_draws=own.n,
        ess=effective_sample_size(weights),
        largest_share=largest_share(weights),
        pareto_k=pareto_k(weights),
        routes=int(np.unique(routes[weights > 0]).size),
        agrees=_agrees(own, low, float(weights.sum()), alpha),
    )


def effective_sample_size(weights: ArrayLike) -> float:
    """Effective number of weights, `(sum w)**2 / sum w**2` (Kong 1992); 0 where none is positive.

    Raises:
        ValueError: a weight is negative or not finite.
    """
    scaled = _scaled(weights)
    return float(scaled.sum() ** 2 / np.square(scaled).sum()) if scaled.size else 0.0


def largest_share(weights: ArrayLike) -> float:
    """The largest weight over the sum of all; 1 where none is positive.

    Raises:
        ValueError: a weight is negative or not finite.
    """
    scaled = _scaled(weights)
    return float(1.0 / scaled.sum()) if scaled.size else 1.0


def pareto_k(weights: ArrayLike) -> float:
    """Shape of the generalised Pareto distribution fitted to the largest weights.

    The tail is that of Pareto-smoothed importance sampling, the `min(S / 5, 3 sqrt(S))` largest of
    S weights; the fit is Zhang & Stephens (2009, Technometrics 51), drawn towards 1/2 by ten
    observations' worth (Vehtari, Simpson, Gelman, Yao & Gabry 2024, arXiv 1507.02646, appendix G).

    Returns:
        The shape k; minus infinity where no weight exceeds the tail's threshold, because the
        largest are equal; infinity where fewer than five weights do.

    Raises:
        ValueError: a weight is negative or not finite.
    """
    ordered = np.sort(_scaled(weights))
    tail = math.ceil(min(0.2 * ordered.size, 3.0 * math.sqrt(ordered.size)))
    if tail < LEAST_TAIL:
        return math.inf
    excess = ordered[-tail:] - ordered[-tail - 1]
    excess = excess[excess > 1e-12]
    if excess.size < LEAST_TAIL:
        return math.inf if excess.size else -math.inf
    return float((_shape(excess) * excess.size + 0.5 * 10.0) / (excess.size + 10.0))


def _agrees(own: BaseDraws, low: float, estimate: float, alpha: float) -> bool | None:
    """Whether `[low, estimate]` meets the Clopper-Pearson interval of the base's own draws.

    Above the estimate importance sampling says nothing: an estimate too low by missed routes fails
    here, while one that a few heavy weights push up fails only if its bound is too high as well.
    """
    if own.c < LEAST_DIRECT_SUCCESSES:
        return None
    least, most = clopper_pearson(own.n, own.c, alpha)
    return low <= float(most) and estimate >= float(least)


def _shape(excess: Floats) -> float:
    """Zhang & Stephens' shape for sorted positive excesses, in the sign where k > 0 is heavy."""
    n = excess.size
    points = 30 + int(math.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    steps = 1.0 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    rates = 1.0 / excess[-1] + steps / (3.0 * quartile)
    shapes = np.log1p(-rates[:, None] * excess).mean(axis=1)
    profile = n * (np.log(-rates / shapes) - shapes - 1.0)
    posterior = np.exp(profile - profile.max())
    rate = float((rates * posterior).sum() / posterior.sum())
    return float(np.log1p(-rate * excess).mean())


def _scaled(weights: ArrayLike) -> Floats:
    """Positive weights over the largest of them."""
    given = np.asarray(weights, dtype=np.float64).ravel()
    if not np.all(np.isfinite(given) & (given >= 0)):
        raise ValueError("Diagnostics need finite weights of at least 0.")
    positive = given[given > 0]
    return np.asarray(positive / positive.max()) if positive.size else positive
