"""Success too rare for direct draws, as a product over milestones from restored snapshots.

Fixed-effort multilevel splitting (Kahn & Harris 1951; Garvels 2000). A task is cut into levels by
milestones that every success passes, in this order: *necessary* and *ordered*, or the product is no
success probability. At each level the same number of attempts start from the states in which the
previous milestone was reached, each state used as often as any other up to one, which of them once
more drawn at random. The product of the levels' success rates is unbiased for that (Garvels 2000,
section 2.3; the tests enumerate a chain).

The upper bound is **approximate**. It multiplies Clopper-Pearson bounds, each at alpha over the
number of levels, as if every level's attempts started from the true distribution of states at its
milestone. They start from those few that were reached, and attempts from one state share its luck:
where the next milestone's probability differs much between states, the bound is too low too often.
A level that few reached is the sign of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from reachgym.support.bounds import upper_bound

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class LevelCount:
    """One level: attempts started from the previous milestone, and how many reached this one."""

    started: int
    reached: int


@dataclass(frozen=True, slots=True)
class Splitting:
    """A success probability by multilevel splitting.

    Attributes:
        estimate: Unbiased for the success probability; 0 where some milestone was not reached.
        upper_approximate: Upper bound at 1 - alpha, approximate; milestones after one that was not
            reached count as certain.
        levels: Counts of every level attempted, in order; shorter than the levels asked for where
            one was not reached.
    """

    estimate: float
    upper_approximate: float
    levels: tuple[LevelCount, ...]


def multilevel_splitting(
    run: Callable[[State, int], State | None],
    start: State,
    levels: int,
    effort: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
) -> Splitting:
    """Estimate the probability of passing every milestone, the last of which is success.

    Args:
        run: Plays on from a state until the next milestone, with randomness from the seed alone:
            the state there, or None where the attempt ended without it. It must restore the state
            and leave it unchanged, for the same one is started from again; the state says which
            milestone it is at, and holds what is used of the attempt's budget.
        start: The state in which every attempt begins.
        levels: Number of milestones.
        effort: Attempts at each level.
        rng: Source of the seeds, and of which states are started from once more.
        alpha: Error of the approximate bound.

    Raises:
        ValueError: levels or effort is below 1.
    """
    if levels < 1 or effort < 1:
        raise ValueError(
            f"Splitting needs levels and effort of at least 1, got {levels}, {effort}."
        )
    states: list[State] = [start]
    counts: list[LevelCount] = []
    while states and len(counts) < levels:
        states = _next_states(run, states, effort, rng)
        counts.append(LevelCount(effort, len(states)))
    bounds = [float(upper_bound(one.started, one.reached, alpha / levels)) for one in counts]
    estimate = math.prod(one.reached / one.started for one in counts)
    return Splitting(estimate, math.prod(bounds), tuple(counts))


def _next_states(
    run: Callable[[State, int], State | None],
    states: list[State],
    effort: int,
    rng: np.random.Generator,
) -> list[State]:
    order = rng.permutation(len(states))
    seeds = rng.integers(2**63, size=effort)
    ended = (
        run(states[order[attempt % len(states)]], int(seeds[attempt])) for attempt in range(effort)
    )
    return [state for state in ended if state is not None]
