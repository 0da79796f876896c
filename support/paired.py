"""Two agents on the same tasks and seeds: the difference, its bounds, and a test that decides.

Tasks are the sample; attempts at one task depend on one another, and its value is the mean of
success of `a` less success of `b` over its scored pairs. The null is a mean difference of zero,
which allows agents that differ on every task, much on a few and slightly on many.

What decides is the bound on a mean of `hypotheses.py`, with one task more at the worst end of
[-1, 1]. With one attempt per task it *is* McNemar's exact test; with several it is the one that
held its level under every null simulated, and it agrees with the interval. McNemar's test on all
attempts takes them for independent. Sign flips, a permutation test, assume differences symmetric
around zero: with ten tasks and sixteen attempts they tell apart, one time in three, agents of which
one gains much on few tasks and loses as much in all on the others. A studentised bootstrap is no
better there, and worse on sparse successes (`benchmarks/paired_comparisons.py`). The price is power
with few tasks: ten that each gain a fifth are no evidence, because one time in six they come from a
population in which a sixth of the tasks lose wholly. Sign flips stand beside it, for the narrower
null that both agents are alike on each task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.consistency import task_mean
from reachgym.support.counts import Estimate, Flags, Floats, TaskCounts
from reachgym.support.hypotheses import holm, mean_above, mean_below, sign_test
from reachgym.support.permutation import sign_flip_p


class Decision(StrEnum):
    """What a comparison of `a` with `b` says of `a`."""

    BETTER = "better"
    WORSE = "worse"
    NOT_TOLD_APART = "not told apart"


@dataclass(frozen=True, slots=True)
class McNemar:
    """Pairs of attempts that only one agent solved, and McNemar's exact two-sided test on them.

    With several attempts per task the p-value is too small, because it takes attempts at one task
    for independent: it describes, and decides nothing.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Success of agent `a` less success of agent `b`, paired by task and seed.

    Attributes:
        difference: Mean over tasks and its bounds; `n` counts tasks. Not adjusted for how many
            comparisons are made.
        p: Two-sided p-value against a mean difference of zero, the one that decides. At most alpha
            exactly where the bounds at alpha exclude zero.
        sign_flip_p: Two-sided p-value of flipping signs of tasks, against the null that both agents
            are alike on each task. Exact up to 16 tasks that differ; else from 9,999 flips.
        mcnemar: Discordant pairs of attempts; None where only counts are known.
        pairs: Pairs of attempts scored for both agents; 0 where only counts are known.
        dropped_pairs: Pairs left out because one attempt or both were unscored.
        dropped_tasks: Tasks left out because nothing of them was scored for both.
    """

    difference: Estimate
    p: float
    sign_flip_p: float
    mcnemar: McNemar | None
    pairs: int
    dropped_pairs: int
    dropped_tasks: int


@dataclass(frozen=True, slots=True)
class DecidedComparison:
    """One comparison of a family of them, after Holm's correction.

    Attributes:
        a: Name of the first agent.
        b: Name of the agent that it is compared with.
        comparison: The comparison by itself.
        adjusted_p: Holm's adjusted p-value.
        decision: `better` or `worse` where `adjusted_p` is at most alpha; a family of comparisons
            holds a false one of these with probability at most alpha.
    """

    a: str
    b: str
    comparison: PairedComparison
    adjusted_p: float
    decision: Decision


def compare_paired(
    outcomes_a: ArrayLike, outcomes_b: ArrayLike, *, alpha: float = 0.05, seed: int = 0
) -> PairedComparison:
    """Compare two agents by outcomes of the same tasks and seeds.

    Args:
        outcomes_a: Whether each attempt of the first agent succeeded, shape (tasks, attempts): 0 or
            1 or a flag, NaN where unscored or where a task had fewer attempts.
        outcomes_b: The same of the second agent, the same task and seed in the same place.
        alpha: Error of the bounds, half on each side.
        seed: Of the sign flips, where they are drawn.

    Raises:
        ValueError: Shapes differ or are not (tasks, attempts), an outcome is none of 0, 1 and NaN,
            or no pair is scored.
    """
    a_KM, b_KM = _outcomes(outcomes_a), _outcomes(outcomes_b)
    if a_KM.shape != b_KM.shape:
        raise ValueError(
            f"Paired outcomes need the same tasks and seeds, got shapes {a_KM.shape} and"
            f" {b_KM.shape}; put NaN where one agent has no scored attempt."
        )
    scored_KM = ~(np.isnan(a_KM) | np.isnan(b_KM))
    pairs_K = scored_KM.sum(axis=1)
    kept_K = pairs_K > 0
    gains_KM = np.where(scored_KM, a_KM - b_KM, 0.0)
    differences_K = gains_KM.sum(axis=1)[kept_K] / pairs_K[kept_K]
    return _comparison(
        differences_K,
        alpha,
        seed,
        mcnemar=_mcnemar(gains_KM),
        pairs=int(pairs_K.sum()),
        dropped_pairs=int(scored_KM.size - pairs_K.sum()),
        dropped_tasks=int((~kept_K).sum()),
    )


def compare_counts(
    a: Iterable[TaskCounts], b: Iterable[TaskCounts], *, alpha: float = 0.05, seed: int = 0
) -> PairedComparison:
    """Compare two agents by counts on the same tasks, paired by task alone.

    The value of a task is the difference of its success rates, averaged over training seeds. Tasks
    that have no scored attempt on one side are dropped and counted.

    Args:
        a: Records of the first agent, one per (seed, family, task).
        b: Records of the second, on the same tasks.
        alpha: Error of the bounds, half on each side.
        seed: Of the sign flips, where they are drawn.

    Raises:
        ValueError: A task was measured for one agent only, or no task is scored for both.
    """
    rates_a, rates_b = _rates(a), _rates(b)
    unpaired = sorted(rates_a.keys() ^ rates_b.keys())
    if unpaired:
        family, task = unpaired[0]
        raise ValueError(
            f"A paired comparison needs the same tasks for both, but only one agent has"
            f" {family}/{task}; measure both on it or leave it out."
        )
    both = [task for task in sorted(rates_a) if rates_a[task] and rates_b[task]]
    differences = [np.mean(rates_a[task]) - np.mean(rates_b[task]) for task in both]
    return _comparison(
        np.asarray(differences, dtype=np.float64),
        alpha,
        seed,
        mcnemar=None,
        pairs=0,
        dropped_pairs=0,
        dropped_tasks=len(rates_a) - len(both),
    )


def compare_all(
    outcomes: Mapping[str, ArrayLike],
    *,
    against: str | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> list[DecidedComparison]:
    """Compare agents pairwise, or each with one, with Holm's correction over all comparisons.

    Args:
        outcomes: Outcomes of each agent by its name, as in `compare_paired`.
        against: The agent that each other is compared with; None compares every pair, in the order
            of `outcomes`.
        alpha: Probability of calling any two agents different that are not; error of each interval.
        seed: Of the sign flips, where they are drawn.

    Raises:
        ValueError: `against` is no agent, or as for `compare_paired`.
    """
    if against is not None and against not in outcomes:
        raise ValueError(f"against must be one of {sorted(outcomes)}, got {against!r}.")
    named = (
        list(combinations(outcomes, 2))
        if against is None
        else [(name, against) for name in outcomes if name != against]
    )
    made = (
        (a, b, compare_paired(outcomes[a], outcomes[b], alpha=alpha, seed=seed)) for a, b in named
    )
    return holm_decisions(made, alpha)


def holm_decisions(
    comparisons: Iterable[tuple[str, str, PairedComparison]], alpha: float = 0.05
) -> list[DecidedComparison]:
    """Decide a family of comparisons, each with the names of its agents, with Holm's correction.

    Names may recur: the same two agents compared in several places are one family.
    """
    family = list(comparisons)
    adjusted = holm([comparison.p for _, _, comparison in family])
    return [
        DecidedComparison(a, b, comparison, p, _decision(comparison.difference.estimate, p, alpha))
        for (a, b, comparison), p in zip(family, adjusted, strict=True)
    ]


def mean_difference_p(differences: ArrayLike, null: float = 0.0) -> float:
    """Two-sided p-value against a mean of `null`, for differences within [-1, 1], one per task."""
    above = mean_above(differences, null, least=-1.0)
    below = mean_below(differences, null, most=1.0)
    return min(1.0, 2.0 * min(above, below))


def _comparison(
    differences_K: Floats,
    alpha: float,
    seed: int,
    *,
    mcnemar: McNemar | None,
    pairs: int,
    dropped_pairs: int,
    dropped_tasks: int,
) -> PairedComparison:
    if not differences_K.size:
        raise ValueError("A paired comparison needs a task that is scored for both agents.")
    return PairedComparison(
        difference=task_mean(differences_K, least=-1.0, alpha=alpha),
        p=mean_difference_p(differences_K),
        sign_flip_p=sign_flip_p(differences_K, seed),
        mcnemar=mcnemar,
        pairs=pairs,
        dropped_pairs=dropped_pairs,
        dropped_tasks=dropped_tasks,
    )


def _outcomes(outcomes: ArrayLike) -> Floats:
    values = np.asarray(outcomes, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"Outcomes need the shape (tasks, attempts), got {values.shape}.")
    known: Flags = np.isnan(values) | (values == 0) | (values == 1)
    if not known.all():
        raise ValueError(
            f"An outcome is 0, 1, or NaN where unscored, got {values[~known].flat[0]:g}."
        )
    return values


def _mcnemar(gains_KM: Floats) -> McNemar:
    smaller = min(sign_test(gains_KM), sign_test(-gains_KM))
    only_a, only_b = int((gains_KM > 0).sum()), int((gains_KM < 0).sum())
    return McNemar(only_a, only_b, min(1.0, 2.0 * smaller))


def _rates(counts: Iterable[TaskCounts]) -> dict[tuple[str, str], list[float]]:
    """Success rates of each task, one per training seed with a scored attempt."""
    rates: dict[tuple[str, str], list[float]] = {}
    for row in counts:
        scored = rates.setdefault((row.family, row.task), [])
        if row.n:
            scored.append(row.c / row.n)
    return rates


def _decision(difference: float, p: float, alpha: float) -> Decision:
    if p > alpha:
        return Decision.NOT_TOLD_APART
    return Decision.BETTER if difference > 0 else Decision.WORSE
