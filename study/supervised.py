"""How arms learn from what they are shown: demonstrations, or another arm's own successes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import JSON
from reachgym.learners.batch import Sample
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.arms import SUCCESSES
from reachgym.study.config.arms import SFTArm, YokedArm
from reachgym.study.config.study import StudyConfig
from reachgym.study.demonstrations import demonstrations
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.ledger import Ledger
from reachgym.study.plan import Advance
from reachgym.study.samples import sample_of_attempt


def train_sft(
    config: StudyConfig, families: Families, arm: SFTArm, base: Path, seed: int
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that fine-tunes a base on demonstrations."""

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        started = time.monotonic()
        advance(0.0, "making demonstrations")
        ledger = Ledger()
        shown = demonstrations(config, families, arm, seed, lane.renderer)
        ledger.demonstrations = len(shown)
        lane.open(base, arm.learner, derive_seed("learner", arm.label, seed))
        rng = np.random.default_rng(derive_seed("sft", arm.data, seed))
        for step, batch in enumerate(_batches(shown, arm.batch, arm.steps, rng)):
            metrics, seconds = lane.update(batch)
            ledger.count_update(metrics, seconds)
            advance((step + 1) / arm.steps, f"loss {metrics['loss']:.3f}", metrics)
        lane.save(stage / "checkpoint")
        return {**ledger.record(), "wall_s": time.monotonic() - started}

    return run


def train_yoked(
    arm: YokedArm, base: Path, leader: Path, seed: int
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that shows a base what another arm solved, in the order and batches of that arm.

    The same information as the other arm had, without the interaction that found it.
    """

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        started = time.monotonic()
        # A leader that solved nothing leaves nothing to be shown, and the base as it was.
        batches = list(_own_successes(leader))
        ledger = Ledger(demonstrations=sum(map(len, batches)))
        lane.open(base, arm.learner, derive_seed("learner", arm.label, seed))
        for step, batch in enumerate(batches):
            metrics, seconds = lane.update(batch)
            ledger.count_update(metrics, seconds)
            advance((step + 1) / len(batches), f"loss {metrics['loss']:.3f}", metrics)
        lane.save(stage / "checkpoint")
        return {**ledger.record(), "wall_s": time.monotonic() - started}

    return run


def _own_successes(leader: Path) -> Iterator[list[Sample]]:
    """What the leading arm solved, one batch for each version of its weights."""
    read = TrajectoryStore(leader / SUCCESSES).read()
    ordered = sorted(read, key=lambda trajectory: trajectory.key.version)
    for _, batch in groupby(ordered, key=lambda trajectory: trajectory.key.version):
        yield [sample_of_attempt(trajectory) for trajectory in batch]


def _batches(
    samples: Sequence[Sample], size: int, steps: int, rng: np.random.Generator
) -> Iterator[list[Sample]]:
    order: list[int] = []
    for _ in range(steps):
        while len(order) < size:
            order += rng.permutation(len(samples)).tolist()
        yield [samples[i] for i in order[:size]]
        del order[:size]
