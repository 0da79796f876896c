"""How arms learn from their own attempts: collect, update, publish, round after round."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import JSON
from reachgym.learners.batch import Sample
from reachgym.rollout.episode import Attempt
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.config.arms import OnPolicyArm, RFTArm, RLArm
from reachgym.study.config.study import StudyConfig
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.ledger import Ledger
from reachgym.study.plan import Advance
from reachgym.study.samples import sample_of_attempt, scored

SUCCESSES = "successes"


def train_on_policy(
    config: StudyConfig, families: Families, arm: RFTArm | RLArm, name: str, base: Path, seed: int
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that improves a base on its own attempts, by RFT or RL, and keeps the solved ones."""
    policy = f"{name}/seed-{seed}/training"

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        started = time.monotonic()
        ledger = Ledger()
        kept = TrajectoryStore(stage / SUCCESSES)
        lane.open(base, arm.learner, derive_seed("learner", name, seed))
        lane.publish()
        for step in range(arm.steps):
            rng = np.random.default_rng(derive_seed("prompts", name, seed, step))
            attempts = list(_attempts(config, families, arm, policy, step, rng))
            trajectories, seconds = lane.collect(attempts)
            kept.append(t for t in trajectories if t.verdict.passed)
            ledger.count_rollouts(trajectories, seconds)
            ledger.mark(step, trajectories)
            metrics, seconds = lane.update(list(_samples(arm, trajectories, rng)))
            ledger.count_update(metrics, seconds)
            lane.publish()
            rates = _rates(trajectories)
            note = "  ".join(f"{family} {rate:.2f}" for family, rate in rates.items())
            numbers = {f"success/{family}": rate for family, rate in rates.items()}
            advance((step + 1) / arm.steps, note, {**metrics, **numbers})
        lane.save(stage / "checkpoint")
        return {**ledger.record(), "wall_s": time.monotonic() - started}

    return run


def _attempts(
    config: StudyConfig,
    families: Families,
    arm: OnPolicyArm,
    policy: str,
    step: int,
    rng: np.random.Generator,
) -> Iterator[Attempt]:
    interface = config.interfaces[arm.interface]
    numbers = range(step * arm.attempts, (step + 1) * arm.attempts)
    for family, task in families.training_batch(arm.prompts, rng):
        ref = families.ref(family, interface)
        # Weights count from the start of this training, so that one that was killed and made anew
        # makes the same attempts.
        yield from families.attempts(task, ref, policy, numbers, version=step)


def _samples(
    arm: OnPolicyArm, trajectories: Sequence[Trajectory], rng: np.random.Generator
) -> Iterator[Sample]:
    for sample in map(sample_of_attempt, scored(trajectories)):
        if isinstance(arm, RLArm) and arm.reward == "random":
            yield replace(sample, reward=float(rng.integers(2)))
        else:
            yield sample


def _rates(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """The share of attempts that passed, by family."""
    solved: dict[str, list[bool]] = defaultdict(list)
    for trajectory in trajectories:
        solved[trajectory.family].append(bool(trajectory.verdict.passed))
    return {name: float(np.mean(wins)) for name, wins in sorted(solved.items())}
