"""Milestones of an episode: what every success passes, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

from reachgym.envs.types import Task
from reachgym.envs.verifier import Attempt


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something without which no attempt of a task passes.

    It is reached once and for all, and never before the one that stands before it. Success is not
    among the milestones: it is what comes after the last.

    Attributes:
        name: What is reached, in few words.
        reached: Whether it is, judged by an attempt that may go on (its answer is None).
    """

    name: str
    reached: Callable[[Attempt], bool]


Milestones: TypeAlias = Callable[[Task], Sequence[Milestone]]


def no_milestones(task: Task) -> Sequence[Milestone]:
    """For families of which no milestones are known."""
    del task
    return ()


def count_reached(milestones: Sequence[Milestone], attempt: Attempt) -> int:
    """How many milestones are reached, from the first on and without a gap."""
    return sum(1 for _ in takewhile(lambda milestone: milestone.reached(attempt), milestones))
