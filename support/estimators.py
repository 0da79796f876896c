"""Estimates from counts: pass@k, the share of tasks solved reliably, the surprisal of success."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.bounds import lower_bound, upper_bound
from reachgym.support.counts import Estimate, Flags, Floats, Ints
from reachgym.support.hypotheses import mean_lower, mean_upper


@dataclass(frozen=True, slots=True)
class Cover:
    """Cover@tau: the share of tasks whose success probability is at least `tau`.

    Attributes:
        tau: The reliability asked for.
        plug_in: Share of tasks whose *observed* rate is at least tau, bounded over tasks. What it
            estimates is not quite Cover@tau: tasks near tau fall on either side of it by chance,
            and no function of counts is unbiased for a step.
        certified: Share of tasks whose lower bound is at least tau. Its interval is one of
            Cover@tau itself, whatever the number of draws; few draws make it wide, not wrong.
    """

    tau: float
    plug_in: Estimate
    certified: Estimate


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


def cover_at(n: ArrayLike, c: ArrayLike, tau: float, alpha: float = 0.05) -> Cover:
    """Share of tasks solved with probability at least `tau` (Dragoi et al. 2025, arXiv 2510.08325).

    The certified interval: a task below tau has a lower bound of at least tau with probability at
    most alpha, so the expected share q of such bounds is at most `C + alpha (1 - C)` where C is
    Cover@tau, and `C >= (q - alpha) / (1 - alpha)`. Upper bounds below tau give the other end.

    Args:
        n: Draws per task K, at least one, of shape (K,) or, with several seeds S of a policy on
            the same tasks, (S, K); broadcasts with `c`.
        c: Successes among them. Tasks are the sample that intervals speak of: several seeds of
            one task count as one, by their mean.
        tau: Success probability asked for, in (0, 1].
        alpha: Error of the bounds of each task, and of each interval over tasks.

    Raises:
        ValueError: No task, a task without draws, c outside [0, n], or tau outside (0, 1].
    """
    n_, c_ = (np.atleast_2d(value) for value in np.broadcast_arrays(n, c))
    if not 0.0 < tau <= 1.0:
        raise ValueError(f"Cover@tau needs tau within (0, 1], got {tau}.")
    if not n_.size or np.any(n_ < 1):
        raise ValueError("Cover@tau needs tasks with at least one draw each; leave out the others.")
    reached = _share(lower_bound(n_, c_, alpha) >= tau, alpha)
    missed = _share(upper_bound(n_, c_, alpha) < tau, alpha)
    low, high = ((max(0.0, share.low - alpha) / (1 - alpha)) for share in (reached, missed))
    certified = Estimate(reached.estimate, low, 1.0 - high, reached.n)
    return Cover(tau, _share(c_ / n_ >= tau, alpha), certified)


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


def _share(flags_S_K: Flags, alpha: float) -> Estimate:
    """Share of tasks, a task by its mean over seeds; Clopper-Pearson where there is one seed."""
    tasks = flags_S_K.mean(axis=0)
    low, high = mean_lower(tasks, alpha / 2), mean_upper(tasks, alpha / 2)
    return Estimate(float(tasks.mean()), low, high, tasks.size)


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
