"""What the statistics take in, draws of one task, and what they give back, bounded estimates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """How often one policy seed solved one task, in `n` independent attempts.

    This is all that the statistics need: whoever brings rollouts of their own fills one record
    per (policy, seed, task) and one interface. Attempts that infrastructure spoiled are left out
    of `n`; attempts that a budget cut short count as they were scored.

    Attributes:
        policy: The base's or the arm's name.
        seed: Which training run of it. An arm's seed is compared with the base of the same seed,
            or with the only base there is.
        family: The family the task belongs to.
        task: The task, unique within its family; the same name is the same task for all policies.
        n: Attempts scored; fixed before the first was made. Estimates rest on these.
        c: Attempts solved.
        chance: An upper bound on success for any policy without the task's information.
        chance_bounds: True only where this interface cannot reach the task's information; then
            `chance` bounds the success probability from above, whatever `n` is.
        drawn: Attempts in all, with those that were added because the first did not give a label;
            0 where none could have been added. Labels rest on these, by bounds that hold whatever
            decided to draw on, and estimates do not, because what stopped the drawing biases them.
        solved: Attempts solved among `drawn`.
    """

    policy: str
    seed: int
    family: str
    task: str
    n: int
    c: int
    chance: float = 0.0
    chance_bounds: bool = False
    drawn: int = 0
    solved: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.c <= self.n:
            raise ValueError(
                f"{self.policy} on {self.family}/{self.task}: expected 0 <= c <= n, got"
                f" c={self.c}, n={self.n}; n counts the scored attempts and c the solved ones."
            )
        added, won = self.drawn - self.n, self.solved - self.c
        if self.drawn and not 0 <= won <= added:
            raise ValueError(
                f"{self.policy} on {self.family}/{self.task}: drawn={self.drawn} and"
                f" solved={self.solved} must hold the first n={self.n} and c={self.c}."
            )
        if not 0.0 <= self.chance <= 1.0:
            raise ValueError(
                f"{self.family}/{self.task}: chance is a probability, got {self.chance}."
            )

    @property
    def chance_bound(self) -> float:
        """The bound that chance puts on success through this interface; 1 where it puts none."""
        return self.chance if self.chance_bounds else 1.0

    @property
    def all_n(self) -> int:
        """Attempts scored, added ones included."""
        return self.drawn or self.n

    @property
    def all_c(self) -> int:
        """Attempts solved, among added ones too."""
        return self.solved if self.drawn else self.c


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate between two bounds; `n` counts what it stands on."""

    estimate: float
    low: float
    high: float
    n: int


class Draws(NamedTuple):
    """Draws of many tasks, as arrays that broadcast.

    Attributes:
        n: Attempts scored.
        c: Attempts solved.
        chance_bound: What chance says success cannot exceed; 1 where it says nothing.
        drawn: Attempts in all where some could be added, else 0; see `TaskCounts`.
        solved: Attempts solved among these.
    """

    n: ArrayLike
    c: ArrayLike
    chance_bound: ArrayLike = 1.0
    drawn: ArrayLike = 0
    solved: ArrayLike = 0


def columns(counts: Iterable[TaskCounts]) -> Draws:
    """The draws of every record, in the order given."""
    rows = list(counts)
    n, c, drawn, solved = (
        np.array([(row.n, row.c, row.drawn, row.solved) for row in rows], dtype=np.int64)
        .reshape(-1, 4)
        .T
    )
    bounds = np.array([row.chance_bound for row in rows], dtype=np.float64)
    return Draws(n, c, bounds, drawn, solved)
