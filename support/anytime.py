"""Bounds that stay valid when what was drawn decides whether to draw on: betting e-processes.

Success probability. Against "the probability is p" bet on every draw; the wealth after c successes
in n draws, betting with a mixture over what the probability may be instead, is

    E(n, c; p) = M(n, c) / (p**c (1-p)**(n-c)),   M(n, c) = int q**c (1-q)**(n-c) dmixture(q),

a martingale that starts at 1 under p. By Ville's inequality it ever reaches 1/alpha with
probability at most alpha, so `{p : E < 1/alpha}`, an interval, contains the truth at all n at once
(Robbins 1970; Waudby-Smith & Ramdas 2024, arXiv 2010.09686). The mixture is the same for every p,
hence both ends of the interval hold together at alpha, and so does a label read off them: no level
is set aside for the gap between `p_out` and `p_in`, as it is in `bounds.py` for a fixed n.

The mixture is half an atom at 0 and half Beta(1/5, 1), nearly flat in log q. The atom makes a task
that never succeeds cost at most log(2/alpha) / log(1/alpha) = 1.23 times the draws of a fixed n
(4,406 draws against 3,738 at a budget of 64); the rest finds rare and common success alike, at
log 2 more than it would cost without the atom.

Mean of non-negative terms. Against "the mean is m" the wealth is
`prod_i (1 - bet + bet * x_i / m)` for a bet in [0, 1]: non-negative whatever the terms are, and a
supermartingale if their mean is at most m. It falls in m, so the largest m refuted is a lower bound
(Waudby-Smith & Ramdas, section 4; Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2022, arXiv
2210.10768, for unbounded terms). Bets are mixed over a grid that depends on nothing, so the bound
does not depend on the order of the terms, and stopping may.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from reachgym.support.bounds import p_in, p_out
from reachgym.support.counts import Flags, Floats

ATOM_AT_ZERO = 0.5
BETA_SHAPE = (0.2, 1.0)
# Even in the logit: a bet near the share of non-zero terms is best where few of them are.
BETS = special.expit(np.linspace(-12.0, 4.0, 33))
HALVINGS = 60
LOG_OF_NOTHING = -800.0
ROUNDING = 1e-9


def log_wealth(n: ArrayLike, c: ArrayLike, p: ArrayLike) -> Floats:
    """Natural log of the wealth won against "the success probability is p".

    Under that hypothesis it ever reaches log(1/alpha) with probability at most alpha.

    Args:
        n: Draws so far; broadcasts with the others.
        c: Successes among them.
        p: The probability bet against, strictly between 0 and 1.

    Raises:
        ValueError: c lies outside [0, n], or p outside (0, 1).
    """
    n_, c_ = _counts(n, c)
    p_ = np.asarray(p, dtype=np.float64)
    if not np.all((p_ > 0) & (p_ < 1)):
        raise ValueError(f"A bet needs probabilities within (0, 1) to bet against, got {p_}.")
    return np.asarray(_log_mixture(n_, c_) - c_ * np.log(p_) - (n_ - c_) * np.log1p(-p_))


def anytime_lower(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> Floats:
    """Lower bound on a success probability, below it at all n at once with probability 1 - alpha.

    `n` may depend on the draws in any way. `anytime_upper` holds together with it at one alpha.

    Args:
        n: Draws so far; broadcasts with `c`.
        c: Successes among them.
        alpha: Error probability.

    Raises:
        ValueError: c lies outside [0, n], or alpha outside (0, 1).
    """
    n_, c_ = _counts(n, c)
    floor = _log_mixture(n_, c_) + math.log(_level(alpha))
    some, most = np.maximum(c_, 1.0), np.maximum(n_, 1.0)
    # At p = exp(floor / c) already p**c alone is as unlikely as the floor.
    low = np.exp(_edge(n_, c_, floor, floor / some, np.log(some / most)))
    return np.asarray(np.where(c_ == 0, 0.0, low))


def anytime_upper(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> Floats:
    """Upper bound on a success probability, above it at all n at once with probability 1 - alpha.

    Arguments and errors are those of `anytime_lower`.
    """
    n_, c_ = _counts(n, c)
    floor = _log_mixture(n_, c_) + math.log(_level(alpha))
    with np.errstate(divide="ignore"):
        rate = np.log(c_ / np.maximum(n_, 1.0))
    high = np.exp(_edge(n_, c_, floor, np.zeros(n_.shape), np.maximum(rate, LOG_OF_NOTHING)))
    return np.asarray(np.where(c_ == n_, 1.0, high))


def decided(n: ArrayLike, c: ArrayLike, attempts: int, alpha: float = 0.05) -> Flags:
    """Whether the draws so far settle if a task is in reach at a sample budget or out of it.

    Ask as often as wanted, after every draw or batch: that a task is ever called in reach with
    `p < p_in`, or out of reach with `p > p_out`, has probability at most alpha.

    Args:
        n: Draws so far; broadcasts with `c`.
        c: Successes among them.
        attempts: Sample budget B.
        alpha: Probability of a wrong decision.

    Raises:
        ValueError: c outside [0, n], alpha outside (0, 1), or attempts < 1.
    """
    n_, c_ = _counts(n, c)
    least, most = p_in(attempts), p_out(attempts)
    needed = -math.log(_level(alpha))
    inside = (c_ > n_ * least) & (log_wealth(n_, c_, least) >= needed)
    outside = (c_ < n_ * most) & (log_wealth(n_, c_, most) >= needed)
    return np.asarray(inside | outside)


def betting_lower(values: ArrayLike, alpha: float = 0.05) -> float:
    """Lower bound on the mean of independent, identically distributed, non-negative terms.

    Holds at all numbers of terms at once, and for terms without an upper bound; never above their
    average. Takes about a millisecond for a thousand terms.

    Args:
        values: The terms, zeros included; 0 is returned where there are none or all are zero.
        alpha: Error probability.

    Raises:
        ValueError: a term is negative or not finite, or alpha lies outside (0, 1).
    """
    terms = np.asarray(values, dtype=np.float64).ravel()
    if not np.all(np.isfinite(terms) & (terms >= 0)):
        raise ValueError("A betting bound needs finite terms of at least 0.")
    needed = -math.log(_level(alpha))
    largest = float(terms.max(initial=0.0))
    if largest == 0.0:
        return 0.0
    scaled = terms[terms > 0] / largest
    kept_each = (terms.size - scaled.size) * np.log1p(-BETS) - math.log(BETS.size)

    def excess(log_mean: float) -> float:
        won = np.log1p(BETS[:, None] * (scaled * math.exp(-log_mean) - 1.0)).sum(axis=1)
        return float(np.logaddexp.reduce(kept_each + won)) - needed

    # One bet that wins on the largest term alone refutes the first; no bet refutes the average.
    once = np.log(BETS) + (terms.size - 1) * np.log1p(-BETS) - math.log(BETS.size)
    refuted, average = float(once.max()) - needed, math.log(float(terms.mean()) / largest)
    # The root is found to half of what is taken off, so that the bound errs to the safe side.
    root = optimize.brentq(excess, refuted, average, xtol=ROUNDING / 2)
    return largest * math.exp(float(root) - ROUNDING)


def markov_lower(estimate: ArrayLike, alpha: float = 0.05) -> Floats:
    """Lower bound `alpha * estimate` from an unbiased, non-negative estimate (Markov's inequality).

    Raises:
        ValueError: an estimate is negative, or alpha lies outside (0, 1).
    """
    estimates = np.asarray(estimate, dtype=np.float64)
    if not np.all(estimates >= 0):
        raise ValueError(f"Markov's inequality needs estimates of at least 0, got {estimates}.")
    return np.asarray(_level(alpha) * estimates)


def _log_mixture(n: Floats, c: Floats) -> Floats:
    """Log of M(n, c): the mixture's probability of one sequence of draws."""
    rare, common = BETA_SHAPE
    spread = special.betaln(c + rare, n - c + common) - special.betaln(rare, common)
    spread = spread + math.log1p(-ATOM_AT_ZERO)
    return np.asarray(np.where(c == 0, np.logaddexp(math.log(ATOM_AT_ZERO), spread), spread))


def _edge(n: Floats, c: Floats, floor: Floats, outside: Floats, inside: Floats) -> Floats:
    """Log of the p at which the draws' log-likelihood falls to `floor`, rounded to the outside."""
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        likelihood = c * middle + special.xlogy(n - c, -np.expm1(middle))
        kept = likelihood > floor
        outside, inside = np.where(kept, outside, middle), np.where(kept, middle, inside)
    return outside


def _counts(n: ArrayLike, c: ArrayLike) -> tuple[Floats, Floats]:
    n_, c_ = np.broadcast_arrays(np.asarray(n, dtype=float), np.asarray(c, dtype=float))
    if not np.all((c_ >= 0) & (c_ <= n_)):
        raise ValueError("A bound needs 0 <= c <= n: n counts the draws, c their successes.")
    return n_, c_


def _level(alpha: float) -> float:
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"The error probability alpha must lie in (0, 1), got {alpha}.")
    return alpha
