"""How each arm is trained: collect, update, publish, and what that consumed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import JSON
from reachgym.learners.batch import Sample
from reachgym.rollout.episode import Attempt
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.config import OnPolicyArm, RFTArm, RLArm, SFTArm, StudyConfig
from reachgym.study.demonstrations import demonstrations
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.plan import Advance
from reachgym.study.samples import sample_of_attempt, scored


@dataclass(slots=True)
class Ledger:
    """What a training has consumed so far."""

    updates: int = 0
    episodes: int = 0
    verifier_calls: int = 0
    tool_calls: int = 0
    demonstrations: int = 0
    sampled_tokens: int = 0
    gradient_tokens: int = 0
    learner_s: float = 0.0
    rollout_s: float = 0.0
    curve: list[dict[str, JSON]] = field(default_factory=list)

    def count_rollouts(self, trajectories: Sequence[Trajectory], seconds: float) -> None:
        """Add attempts that were made."""
        self.rollout_s += seconds
        self.episodes += len(trajectories)
        for trajectory in trajectories:
            self.verifier_calls += trajectory.verdict.passed is not None
            self.tool_calls += trajectory.usage.tool_calls
            self.sampled_tokens += trajectory.usage.action_tokens

    def count_update(self, metrics: Mapping[str, float], seconds: float) -> None:
        """Add an update of the model."""
        self.updates += 1
        self.learner_s += seconds
        self.gradient_tokens += int(metrics.get("tokens", 0))

    def mark(self, update: int, trajectories: Sequence[Trajectory]) -> None:
        """Note how often each family was solved at this update."""
        tried: Counter[str] = Counter(t.family for t in trajectories)
        solved: Counter[str] = Counter(t.family for t in trajectories if t.verdict.passed)
        for family in sorted(tried):
            rate = solved[family] / tried[family]
            self.curve.append(
                {"update": update, "family": family, "success": rate, "n": tried[family]}
            )


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
            advance((step + 1) / arm.steps, f"loss {metrics['loss']:.3f}")
        lane.save(stage / "checkpoint")
        return {**asdict(ledger), "wall_s": time.monotonic() - started}

    return run


def train_on_policy(
    config: StudyConfig, families: Families, arm: RFTArm | RLArm, name: str, base: Path, seed: int
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that improves a base on its own attempts, by RFT or RL."""
    policy = f"{name}/seed-{seed}/training"

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        started = time.monotonic()
        ledger = Ledger()
        lane.open(base, arm.learner, derive_seed("learner", name, seed))
        lane.publish()
        for step in range(arm.steps):
            rng = np.random.default_rng(derive_seed("prompts", name, seed, step))
            attempts = list(_attempts(config, families, arm, policy, step, rng))
            trajectories, seconds = lane.collect(attempts)
            ledger.count_rollouts(trajectories, seconds)
            ledger.mark(step, trajectories)
            metrics, seconds = lane.update([sample_of_attempt(t) for t in scored(trajectories)])
            ledger.count_update(metrics, seconds)
            lane.publish()
            advance((step + 1) / arm.steps, _note(trajectories))
        lane.save(stage / "checkpoint")
        return {**asdict(ledger), "wall_s": time.monotonic() - started}

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
        yield from families.attempts(task, families.ref(family, interface), policy, numbers)


def _batches(
    samples: Sequence[Sample], size: int, steps: int, rng: np.random.Generator
) -> Iterator[list[Sample]]:
    order: list[int] = []
    for _ in range(steps):
        while len(order) < size:
            order += rng.permutation(len(samples)).tolist()
        yield [samples[i] for i in order[:size]]
        del order[:size]


def _note(trajectories: Sequence[Trajectory]) -> str:
    solved: dict[str, list[bool]] = defaultdict(list)
    for trajectory in trajectories:
        solved[trajectory.family].append(bool(trajectory.verdict.passed))
    return "  ".join(f"{name} {np.mean(wins):.2f}" for name, wins in sorted(solved.items()))
