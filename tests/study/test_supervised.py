"""A yoked arm is shown what another solved, in that arm's order; a coin pays what nobody earned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reachgym.agents.protocol import Completion
from reachgym.envs.types import Message, StopReason, Verdict
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory, Turn, Usage
from reachgym.study.arms import SUCCESSES, train_on_policy
from reachgym.study.config.loading import load_config
from reachgym.study.families import Families
from reachgym.study.supervised import train_yoked


class RecordingLane:
    """Notes what it is to learn; attempts come out as told, one for every attempt asked for."""

    def __init__(self, passed: bool = False) -> None:
        self.passed = passed
        self.version = 0
        self.updates: list = []
        self.saved: list[Path] = []

    def open(self, checkpoint, config, seed) -> None:
        self.opened = checkpoint

    def publish(self) -> None:
        self.version += 1

    def collect(self, attempts):
        return [attempt(a.key, a.task, self.version, self.passed) for a in attempts], 0.0

    def update(self, samples):
        self.updates.append(list(samples))
        return {"loss": 0.0, "tokens": float(len(samples))}, 0.0

    def save(self, checkpoint: Path) -> None:
        self.saved.append(checkpoint)


def attempt(key, task, version: int, passed: bool) -> Trajectory:
    said = Completion(
        Message("assistant", "x"), prompt_ids=(1, 5), sampled_ids=(version + 9,), logprobs=(-0.5,)
    )
    return Trajectory(
        key=key,
        task_id=task.id,
        family=task.family,
        split="train",
        env="{}",
        policy_version=version,
        opening=(),
        turns=(Turn(said, (), (), float(passed)),),
        verdict=Verdict(float(passed), passed, ""),
        stop_reason=StopReason.ANSWERED,
        usage=Usage(),
    )


def quiet(fraction: float, note: str, numbers=None) -> None:
    assert 0 <= fraction <= 1


@pytest.fixture
def config(small_config):
    return load_config(small_config)


def learned(batch) -> list[int]:
    return [int(sample.ids[-1]) for sample in batch]


def test_a_yoked_arm_learns_what_its_leader_solved_update_by_update(config, tmp_path):
    families, arm = Families(config), config.arms["rl"]
    leader = RecordingLane(passed=True)
    train_on_policy(config, families, arm, "rl", Path("base"), 0)(leader, tmp_path / "rl", quiet)
    follower = RecordingLane()
    run = train_yoked(config.arms["yoked"], Path("base"), tmp_path / "rl", 0)
    record = run(follower, tmp_path / "yoked", quiet)
    assert [learned(batch) for batch in follower.updates] == [
        learned(batch) for batch in leader.updates
    ]
    assert record["updates"] == arm.steps
    assert record["episodes"] == 0
    assert record["demonstrations"] == sum(map(len, leader.updates))
    assert all((s.weights == [0, 0, 1]).all() for batch in follower.updates for s in batch)


def test_only_what_the_leader_solved_is_shown(config, tmp_path):
    families, arm = Families(config), config.arms["rl"]
    leader = RecordingLane(passed=False)
    train_on_policy(config, families, arm, "rl", Path("base"), 0)(leader, tmp_path / "rl", quiet)
    assert not list(TrajectoryStore(tmp_path / "rl" / SUCCESSES).read())
    follower = RecordingLane()
    run = train_yoked(config.arms["yoked"], Path("base"), tmp_path / "rl", 0)
    assert run(follower, tmp_path / "yoked", quiet)["updates"] == 0
    assert follower.saved == [tmp_path / "yoked" / "checkpoint"]


def test_a_random_reward_is_a_fair_coin_whatever_was_done(config, tmp_path):
    arm = config.arms["rl"].model_copy(update={"reward": "random", "steps": 60})
    lane = RecordingLane(passed=False)
    train_on_policy(config, Families(config), arm, "coin", Path("base"), 0)(lane, tmp_path, quiet)
    rewards = [sample.reward for batch in lane.updates for sample in batch]
    assert set(rewards) == {0.0, 1.0}
    assert abs(np.mean(rewards) - 0.5) < 4 * 0.5 / np.sqrt(len(rewards))


def test_the_first_time_a_task_is_solved_is_noted(config, tmp_path):
    lane = RecordingLane(passed=True)
    arm = config.arms["rl"]
    run = train_on_policy(config, Families(config), arm, "rl", Path("base"), 0)
    discovery = run(lane, tmp_path, quiet)["discovery"]
    assert all(point["solved_tasks"] == point["tried_tasks"] for point in discovery)
    last = {point["family"]: point["solved_tasks"] for point in discovery}
    assert sum(last.values()) <= arm.steps * arm.prompts
