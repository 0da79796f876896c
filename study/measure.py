"""Attempts at held-out tasks, kept and counted: first the same of each, then where labels lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from reachgym.envs.types import JSON, Split, Task
from reachgym.rollout.episode import Attempt
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.config.measurement import VariantConfig
from reachgym.study.config.study import InterfaceConfig
from reachgym.study.elicitation import solved_examples
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.plan import Advance
from reachgym.study.policies import Acting
from reachgym.study.tally import Tally, count_row, tallies
from reachgym.support import next_draws
from reachgym.support.counts import Ints

TRAJECTORIES = "trajectories"

# Attempts handed to the fleet at once: enough to fill its slots many times over, few enough that
# progress is seen and a shard of the store stays small.
_PORTION = 8192


@dataclass(frozen=True, slots=True)
class Draws:
    """How many attempts to make of how many tasks of one family.

    Attributes:
        family: The family.
        split: Which of its tasks.
        tasks: How many of these.
        first: Attempts of each, made in any case.
        most: Attempts of each at most; above `first` they are added until a label is known.
        chance_bounds: Whether declared chance bounds success here, as `TaskCounts` has it.
    """

    family: str
    split: Split
    tasks: int
    first: int
    most: int
    chance_bounds: bool = False


@dataclass(frozen=True, slots=True)
class Looking:
    """Who is measured, through what, and what the labels wanted are.

    Attributes:
        policy: Name of the measurement, from which attempts derive their seeds.
        checkpoint: The policy's weights.
        interface: What it acts through.
        variant: How it is made to act.
        attempts: Sample budget B of the labels.
        alpha: Error of a label.
    """

    policy: str
    checkpoint: Path
    interface: InterfaceConfig
    variant: VariantConfig
    attempts: int
    alpha: float


@dataclass(frozen=True, slots=True)
class _Target:
    """A task to be measured, and how often."""

    draws: Draws
    task: Task


def measure(
    families: Families, draws: Sequence[Draws], looking: Looking
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that makes attempts and records, per task, how many there were and how they ended.

    What an interrupted try left in the stage's folder is gone on with and not made again.
    """
    targets = [
        _Target(plan, task)
        for plan in draws
        for task in families.first(plan.family, plan.split, plan.tasks)
    ]

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        advance(0.0, "loading the policy")
        variant = looking.variant
        examples = solved_examples(families, variant.few_shot, looking.interface)
        lane.act_as(Acting(variant, examples))
        lane.load(looking.checkpoint)
        store = TrajectoryStore(stage / TRAJECTORIES)
        made = np.zeros(len(targets), dtype=np.int64)
        adding = np.array([target.draws.first for target in targets], dtype=np.int64)
        found: list[list[Tally]] = []
        seeds: list[int] = []
        while adding.any():
            progress = _Progress(advance, int(made.sum()), _expected(targets, made, adding))
            attempts = list(_attempts(families, targets, made, adding, looking))
            _play(lane, store, attempts, progress)
            made += adding
            seeds += [attempt.seed for attempt in attempts]
            # A folder that is gone on with may hold draws that are not wanted yet.
            by_hash = tallies(store.summary(), seeds)
            found.append([by_hash.get(target.task.hash, Tally()) for target in targets])
            adding = _wanted(targets, made, found[-1], looking)
        return {
            "counts": [
                count_row(t.task, first, last, adaptive=t.draws.most > t.draws.first)
                for t, first, last in zip(targets, found[0], found[-1], strict=True)
            ]
        }

    return run


@dataclass(slots=True)
class _Progress:
    """Tells how many attempts of those expected are made; a mutable count."""

    advance: Advance
    made: int
    expected: int

    def add(self, attempts: int) -> None:
        self.made += attempts
        note = f"{self.made:,} of about {self.expected:,} attempts"
        self.advance(min(self.made / self.expected, 0.99), note)


def _attempts(
    families: Families,
    targets: Sequence[_Target],
    made: Ints,
    adding: Ints,
    looking: Looking,
) -> Iterator[Attempt]:
    for target, start, more in zip(targets, made.tolist(), adding.tolist(), strict=True):
        ref = families.ref(target.draws.family, looking.interface)
        numbers = range(start, start + more)
        yield from families.attempts(target.task, ref, looking.policy, numbers)


def _play(
    lane: Lane, store: TrajectoryStore, attempts: Sequence[Attempt], progress: _Progress
) -> None:
    """Make attempts and keep them, portion by portion, leaving out what is kept already."""
    for start in range(0, len(attempts), _PORTION):
        portion = attempts[start : start + _PORTION]
        missing = [attempt for attempt in portion if attempt.key not in store]
        progress.add(len(portion) - len(missing))
        tables = []
        for table in lane.tables(missing):
            tables.append(table)
            progress.add(table.num_rows)
        if tables:
            store.append_table(pa.concat_tables(tables))


def _wanted(
    targets: Sequence[_Target], made: Ints, found: Sequence[Tally], looking: Looking
) -> Ints:
    """Further draws of each task; those that infrastructure spoiled count as made."""
    scored = np.array([tally.n for tally in found], dtype=np.int64)
    room = np.array([target.draws.most for target in targets], dtype=np.int64) - made
    bounds = [t.task.chance if t.draws.chance_bounds else 1.0 for t in targets]
    solved = [tally.c for tally in found]
    return next_draws(
        scored, solved, scored + room, bounds, attempts=looking.attempts, alpha=looking.alpha
    )


def _expected(targets: Sequence[_Target], made: Ints, adding: Ints) -> int:
    """Attempts in all, if a fifth of what is still allowed will be needed."""
    allowed = sum(target.draws.most for target in targets)
    sure = int(made.sum() + adding.sum())
    return sure + max(0, allowed - sure) // 5
