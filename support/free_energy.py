"""What training paid in divergence for what it gained: KL against the least a reweighting needs.

Everything is in nats and speaks of one task, or of a fixed set of tasks drawn in fixed shares (then
the task is part of the trajectory). `pi` is the trained policy, `pi0` the base, p and p0 their
probabilities of success, V the verifier.

**Data processing.** Success is a function of the trajectory, so `KL(pi || pi0) >= kl(p, p0)`, with
equality exactly where pi is pi0 reweighted by success alone, which exponential tilting by reward
does. `eta = kl(p, p0) / KL(pi || pi0)` is near 1 for pure reweighting. A low eta is divergence that
the gain did not need: drift, and not creation.

**Certificate.** From `KL >= kl(p, p0) >= -h(p) - p log p0`, with h the binary entropy, follows
`p0 >= exp(-(KL + h(p)) / p)`: what a policy does that moved little, its base does sometimes.

The environment's tokens have the same probability under both policies, so a trajectory's log-ratio
is the sum over its action tokens of `log pi(a|h) - log pi0(a|h)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from reachgym.support.bounds import clopper_pearson
from reachgym.support.counts import Estimate, Floats


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Share of the divergence that the gain needed, within [0, 1].

    Attributes:
        estimate: `kl / KL` from the point estimates, 1 where noise puts it above; None where they
            leave it open, because the base never succeeded or KL is estimated at no more than 0.
        low: Least value that the intervals of both allow.
        high: Largest such value.
    """

    estimate: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FreeEnergy:
    """Divergence paid and needed, in nats.

    Attributes:
        paid: `KL(pi || pi0)` per trajectory.
        needed: `kl(p, p0)`, the least that any reweighting of the base needs for the same p;
            infinite where the base never succeeded and the policy did.
        eta: `needed / paid`.
        base_success_certified: p0 is at least this, by the certificate at the ends of the
            intervals that are worst for it.
    """

    paid: Estimate
    needed: Estimate
    eta: Efficiency
    base_success_certified: float


def binary_kl(p1: ArrayLike, p0: ArrayLike) -> Floats:
    """Binary relative entropy `p1 log(p1/p0) + (1-p1) log((1-p1)/(1-p0))` in nats.

    0 where both are equal, at 0 and 1 too; infinite where p0 is 0 or 1 and p1 is not; accurate to
    its last digits for probabilities near 0.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """
    after, before = _probabilities(p1), _probabilities(p0)
    # x log(x/y) - x + y: the extra terms cancel in the sum, and keep what 1 - p rounds away.
    total = special.kl_div(after, before) + special.kl_div(1.0 - after, 1.0 - before)
    return np.asarray(np.maximum(total, 0.0))


def selection_cost(p0: ArrayLike) -> Floats:
    """Nats needed to select success from the base, `log 1/p0`: binary_kl(1, p0); infinite at 0.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.abs(np.log(_probabilities(p0))))


def trajectory_kl(log_ratios: ArrayLike, alpha: float = 0.05) -> Estimate:
    """`KL(pi || pi0)` per trajectory in nats: the mean log-ratio over draws from pi.

    Single log-ratios may be negative, and so may their mean by chance; KL cannot, so the interval
    is cut at 0. It is Student's, hence approximate: log-ratios have thin tails below, because
    `P(log-ratio <= -t) <= exp(-t)` under pi, but none is guaranteed above.

    Args:
        log_ratios: `log pi - log pi0` over the action tokens of each trajectory drawn from pi;
            infinite where the base cannot draw it, and then so is KL.
        alpha: Error of the interval.

    Raises:
        ValueError: no trajectory, or a log-ratio that is NaN or minus infinity.
    """
    ratios = np.asarray(log_ratios, dtype=np.float64).ravel()
    if not ratios.size or np.isnan(ratios).any() or (ratios == -np.inf).any():
        raise ValueError(
            "KL needs the log-ratios of trajectories that the trained policy drew, at least one and"
            " none NaN or minus infinity: its own draws have positive probability under it."
        )
    mean = float(ratios.mean())
    if math.isinf(mean):
        return Estimate(mean, mean, mean, ratios.size)
    if ratios.size == 1:
        return Estimate(mean, 0.0, math.inf, 1)
    error = float(ratios.std(ddof=1)) / math.sqrt(ratios.size)
    reach = float(stats.t.ppf(1 - alpha / 2, ratios.size - 1)) * error
    return Estimate(mean, max(0.0, mean - reach), max(0.0, mean + reach), ratios.size)


def success_probability(n: int, c: int, alpha: float = 0.05) -> Estimate:
    """Success probability from own draws, with its Clopper-Pearson interval.

    Raises:
        ValueError: c lies outside [0, n], or nothing was drawn.
    """
    if n < 1:
        raise ValueError(f"A success probability needs at least one draw, got n={n}.")
    low, high = clopper_pearson(n, c, alpha)
    return Estimate(c / n, float(low), float(high), n)


def needed_kl(p1: Estimate, p0: Estimate) -> Estimate:
    """`kl(p1, p0)` with the least and largest value where both lie within their intervals.

    `n` is the smaller of theirs. The largest value is infinite where p0 may be 0.
    """
    low = 0.0
    if p1.low > p0.high:
        low = float(binary_kl(p1.low, p0.high))
    elif p0.low > p1.high:
        low = float(binary_kl(p1.high, p0.low))
    high = max(float(binary_kl(p1.high, p0.low)), float(binary_kl(p1.low, p0.high)))
    estimate = float(binary_kl(p1.estimate, p0.estimate))
    return Estimate(estimate, low, high, min(p1.n, p0.n))


def eta(needed: Estimate, paid: Estimate) -> Efficiency:
    """Share of the divergence paid that was needed; holds where both intervals do."""
    low = _share(needed.low, paid.high, unknown=0.0)
    high = _share(needed.high, paid.low, unknown=1.0)
    known = math.isfinite(needed.estimate) and paid.estimate > 0.0
    estimate = _share(needed.estimate, paid.estimate, unknown=0.0) if known else None
    return Efficiency(estimate, low, high)


def certified_base_success(kl: ArrayLike, p: ArrayLike) -> Floats:
    """The base's success probability is at least `exp(-(KL + h(p)) / p)`; 0 at p = 0.

    Grows with p and falls with KL: a lower bound of p and an upper bound of KL give a bound that
    holds where both do.

    Args:
        kl: `KL(pi || pi0)` per trajectory in nats.
        p: Success probability of pi.

    Raises:
        ValueError: kl is negative, or p lies outside [0, 1].
    """
    paid, success = np.asarray(kl, dtype=np.float64), _probabilities(p)
    if not np.all(paid >= 0):
        raise ValueError(f"A divergence is at least 0, got {paid}.")
    entropy = special.entr(success) + special.entr(1.0 - success)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.exp(-(paid + entropy) / success)
    return np.asarray(np.where(success == 0.0, 0.0, bound))


def free_energy(
    log_ratios: ArrayLike, p1: Estimate, p0: Estimate, alpha: float = 0.05
) -> FreeEnergy:
    """What was paid and what was needed, from draws of the trained policy and estimates of success.

    Args:
        log_ratios: As in `trajectory_kl`, failures included: KL is a mean over all draws.
        p1: The trained policy's success probability, as `success_probability` gives it.
        p0: The base's; below what its draws can see, from importance sampling.
        alpha: Error of the interval of KL. Divided by three in all three, the interval of eta holds
            with probability 1 - alpha.
    """
    paid, needed = trajectory_kl(log_ratios, alpha), needed_kl(p1, p0)
    certified = float(certified_base_success(paid.high, p1.low))
    return FreeEnergy(paid, needed, eta(needed, paid), certified)


def tilting_frontier(p0: float, points: int = 101) -> tuple[Floats, Floats]:
    """The most success that any divergence from the base can buy, from none to all.

    Exponential tilting by a reward in {0, 1} moves the base's p0 to `p0 e^b / (1 - p0 + p0 e^b)`,
    at a divergence of `binary_kl(p, p0)`; no policy has more success at less. Ends at
    `selection_cost(p0)`.

    Returns:
        kl_K in nats and reward_K, both ascending, K points from (0, p0) to (log 1/p0, 1).

    Raises:
        ValueError: p0 lies outside (0, 1], where nothing can be tilted, or points < 2.
    """
    if not 0.0 < p0 <= 1.0 or points < 2:
        raise ValueError(f"A frontier needs 0 < p0 <= 1 and two points, got {p0} and {points}.")
    reward_K = np.linspace(p0, 1.0, points)
    return binary_kl(reward_K, p0), reward_K


def _share(part: float, whole: float, unknown: float) -> float:
    if (math.isinf(part) and math.isinf(whole)) or whole == part == 0.0:
        return unknown
    return min(1.0, part / whole) if whole else 1.0


def _probabilities(p: ArrayLike) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"Expected probabilities within [0, 1], got {values}.")
    return values
