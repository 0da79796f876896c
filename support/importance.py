"""The base's success probability below what its own draws can see, by importance sampling.

Trajectories are drawn from a mixture of policies: the base and every arm. The environment's tokens
have the same probability under all of them, so over action tokens the balance heuristic (Veach &
Guibas 1995; Owen & Zhou 2000) gives, with n_m draws of policy m and verifier V,

    p0 ~ sum_i V(t_i) pi0(t_i) / sum_m n_m pi_m(t_i).

Only successes have a term, so only successes are scored, each under every policy. The sum is
**never self-normalised**: trained policies hardly draw the base's failures, so that a normaliser
from their draws misses nearly all of its mass and the estimate comes out orders of magnitude high.

What it is an estimate of. With base draws in the mixture it is unbiased and no term exceeds 1/n_0.
Without any, its mean is the base's probability of those successes that some policy of the mixture
can draw: at most p0. The lower bound then still holds, so such an estimate is not refused; it is
marked by `base_draws == 0`, a failed diagnostic, and must not be called unbiased. All of it needs
draws that are independent, and policies that were not trained on draws they are mixed with.

The bound. Terms from different policies have different means, so they are not identically
distributed, and a bet that fits one policy's terms is no fair bet against another's. They are put
into rounds instead: with k_m fixed, round r takes the r-th k_m draws of every policy, and

    Y_r = sum over the round's draws of V pi0 / sum_m k_m pi_m

are independent, identically distributed and non-negative with mean p0: what `betting_lower` needs,
and all it needs. Where a diagnostic fails the bound is the smaller of that and Markov's alpha times
the estimate. Taking Markov's instead of it, whichever is larger, would choose between two bounds by
the data and could be wrong twice as often; the smaller is never above the betting bound.

It certifies from below only: nothing here says that a base cannot succeed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reachgym.support.anytime import betting_lower, markov_lower
from reachgym.support.counts import Floats, Ints
from reachgym.support.diagnostics import BaseDraws, Diagnostics, diagnose
from reachgym.support.estimators import surprisal_bits


@dataclass(frozen=True, slots=True, eq=False)
class Successes:
    """The successful trajectories of one task, S of them, drawn from a mixture of M policies.

    Attributes:
        logprobs_S_M: Natural log-probability of the action tokens under each policy, all from one
            scoring path, at the settings the draws were sampled with; minus infinity where a
            policy cannot draw the trajectory.
        policy_S: Which policy drew it.
        place_S: Its place among that policy's draws of the task, failures counted, from 0.
        route_S: Anything equal for equal trajectories only, such as a hash of the action tokens.

    Raises:
        ValueError: shapes disagree, a log-probability is positive or not a number, or a success
            has probability 0 under the policy that drew it.
    """

    logprobs_S_M: Floats
    policy_S: Ints
    place_S: Ints
    route_S: NDArray[np.generic]

    def __post_init__(self) -> None:
        shape = self.logprobs_S_M.shape
        count = (shape[0],) if len(shape) == 2 else None
        if not self.policy_S.shape == self.place_S.shape == self.route_S.shape == count:
            raise ValueError(
                "Successes need log-probabilities of shape (S, M) and S policies, places and"
                f" routes, got {shape}, {self.policy_S.shape}, {self.place_S.shape} and"
                f" {self.route_S.shape}."
            )
        if not np.all(self.logprobs_S_M <= 1e-3):
            raise ValueError("Log-probabilities of tokens are at most 0 and never NaN.")
        if not np.all((self.policy_S >= 0) & (self.policy_S < shape[1])):
            raise ValueError(f"Successes name their policy by its column, 0 to {shape[1] - 1}.")
        own = np.take_along_axis(self.logprobs_S_M, self.policy_S[:, None], axis=1)
        if not np.all(np.isfinite(own)):
            raise ValueError(
                "A success has probability 0 under the policy that drew it; score with the"
                " temperature and the vocabulary it was sampled with."
            )


@dataclass(frozen=True, slots=True)
class ImportanceEstimate:
    """The base's success probability on one task, from draws of a mixture.

    Attributes:
        estimate: Balance-heuristic estimate; unbiased if `base_draws` is not 0, and may exceed 1.
        low: Lower bound, above the truth with probability at most alpha.
        low_by: Where the bound comes from.
        rounds: Independent rounds the betting bound stands on.
        base_draws: Draws of the base in the mixture.
        draws: Draws of all policies.
        successes: Successes among them.
        diagnostics: Whether to believe the estimate.
    """

    estimate: float
    low: float
    low_by: Literal["betting", "markov"]
    rounds: int
    base_draws: int
    draws: int
    successes: int
    diagnostics: Diagnostics

    @property
    def bits(self) -> float:
        """Estimated surprisal of success in bits; infinite where nothing succeeded."""
        return float(surprisal_bits(min(self.estimate, 1.0)))

    @property
    def most_bits(self) -> float:
        """Upper bound on the surprisal of success in bits, from `low`."""
        return float(surprisal_bits(self.low))


@dataclass(frozen=True, slots=True)
class MedianSurprisal:
    """Surprisal of success over tasks, by medians: one missed route would carry a mean away.

    Attributes:
        tasks: Tasks counted.
        unseen: Tasks among them on which nothing succeeded; their surprisal counts as infinite.
        believed: Tasks among them whose diagnostics all passed.
        bits: Median of the estimates.
        most_bits: Median of the upper bounds.
    """

    tasks: int
    unseen: int
    believed: int
    bits: float
    most_bits: float


def importance_estimate(
    successes: Successes,
    draws: Sequence[int],
    base: int = 0,
    alpha: float = 0.05,
    per_round: Sequence[int] | None = None,
) -> ImportanceEstimate:
    """Estimate of the base's success probability on one task, with a lower bound.

    Args:
        successes: The successes among all draws, scored under every policy.
        draws: Draws of the task by each policy, failures counted; 0 leaves a policy out.
        base: Column of the base.
        alpha: Error probability of the lower bound.
        per_round: Draws of each policy that make a round. None reads them off `draws`, which is
            right where those were set beforehand; where outcomes decided how many to draw, give
            what was fixed before. The bound then holds, though the estimate is not unbiased.

    Raises:
        ValueError: the mixture does not fit the successes, nothing was drawn, the draws make no
            round, or alpha lies outside (0, 1).
    """
    n = np.asarray(draws, dtype=np.int64)
    _check_draws(successes, n, base)
    size = round_sizes(n) if per_round is None else np.asarray(per_round, dtype=np.int64)
    terms = np.exp(_log_terms(successes.logprobs_S_M, n, base))
    in_rounds = _round_terms(successes, n, size, base)
    betting = min(betting_lower(in_rounds, alpha), 1.0)
    own = BaseDraws(int(n[base]), int((successes.policy_S == base).sum()))
    diagnostics = diagnose(terms, successes.route_S, own, betting, alpha)
    markov = float(markov_lower(terms.sum(), alpha))
    by_markov = not diagnostics.ok and markov < betting
    return ImportanceEstimate(
        estimate=float(terms.sum()),
        low=markov if by_markov else betting,
        low_by="markov" if by_markov else "betting",
        rounds=in_rounds.size,
        base_draws=own.n,
        draws=int(n.sum()),
        successes=terms.size,
        diagnostics=diagnostics,
    )


def round_sizes(draws: Sequence[int] | Ints) -> Ints:
    """Draws of each policy per round, so that rounds are many and few draws are left over.

    There are as many rounds as the least drawn policy has draws, or fewer by up to a quarter where
    that leaves out a smaller share of some policy's draws. Policies without draws have none in a
    round.

    Raises:
        ValueError: nothing was drawn.
    """
    n = np.asarray(draws, dtype=np.int64)
    if not np.any(n > 0):
        raise ValueError("Rounds need draws of at least one policy, got none.")
    drawn = n[n > 0]
    rounds = np.arange(drawn.min(), (3 * drawn.min() - 1) // 4, -1)
    used = (rounds[:, None] * (drawn // rounds[:, None]) / drawn).min(axis=1)
    return n // int(rounds[used.argmax()])


def median_surprisal(estimates: Iterable[ImportanceEstimate]) -> MedianSurprisal:
    """Medians over tasks of the estimated surprisal and of its upper bound.

    Raises:
        ValueError: there are no estimates.
    """
    rows = list(estimates)
    if not rows:
        raise ValueError("A median needs the estimates of at least one task.")
    return MedianSurprisal(
        tasks=len(rows),
        unseen=sum(row.estimate == 0.0 for row in rows),
        believed=sum(row.diagnostics.ok for row in rows),
        bits=float(np.median([row.bits for row in rows])),
        most_bits=float(np.median([row.most_bits for row in rows])),
    )


def _log_terms(logprobs_S_M: Floats, weights: Ints, base: int) -> Floats:
    """Log of pi0 / sum_m weight_m pi_m; a policy of weight 0 is out of the sum."""
    used = weights > 0
    mixture = np.logaddexp.reduce(logprobs_S_M[:, used] + np.log(weights[used]), axis=1)
    return np.asarray(logprobs_S_M[:, base] - mixture)


def _round_terms(successes: Successes, draws: Ints, size: Ints, base: int) -> Floats:
    """Y_r of every complete round, zeros included."""
    fits = size.shape == draws.shape and np.all(size >= 0) and np.any(size > 0)
    if not fits or np.any(draws < size):
        raise ValueError(
            f"A round takes draws of the policies drawn, got {size.tolist()} of {draws.tolist()}."
        )
    rounds = int((draws[size > 0] // size[size > 0]).min())
    kept = successes.place_S < rounds * size[successes.policy_S]
    terms = np.exp(_log_terms(successes.logprobs_S_M[kept], size, base))
    index = successes.place_S[kept] // size[successes.policy_S[kept]]
    return np.asarray(np.bincount(index, weights=terms, minlength=rounds), dtype=np.float64)


def _check_draws(successes: Successes, draws: Ints, base: int) -> None:
    policies = successes.logprobs_S_M.shape[1]
    if draws.shape != (policies,) or not 0 <= base < policies or np.any(draws < 0):
        raise ValueError(
            f"Expected numbers of draws for {policies} policies and the base among them, got"
            f" {draws.tolist()} and base {base}."
        )
    place, most = successes.place_S, draws[successes.policy_S]
    if not np.all((place >= 0) & (place < most)):
        raise ValueError("A success's place lies below the number of its policy's draws.")
    across = place + (np.cumsum(draws) - draws)[successes.policy_S]
    if np.unique(across).size != place.size:
        raise ValueError("Two successes claim the same place among a policy's draws.")
