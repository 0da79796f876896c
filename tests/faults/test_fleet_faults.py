"""Workers and machines that die: nothing is lost, nothing doubled, and the culprit is found."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reachgym.agents.protocol import TokenSequence
from reachgym.envs.errors import InfrastructureError
from reachgym.rollout.fleet import Fleet, connect, disconnect

WORLDS = Path(__file__).parents[1] / "rollout" / "worlds"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Path]:
    """The folder in which agents leave traces."""
    traces = tmp_path_factory.mktemp("traces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(WORLDS))
        patch.setenv("FLEET_WORLD_FOLDER", str(traces))
        patch.syspath_prepend(str(WORLDS))
        connect(num_cpus=2)
        yield traces
        disconnect()


@pytest.fixture
def world(cluster) -> ModuleType:
    return importlib.import_module("echo_world")


@pytest.fixture
def fleet_world(cluster) -> ModuleType:
    return importlib.import_module("fleet_world")


def seeds(played) -> list[int]:
    return sorted(row.key.seed for row in played)


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(world, cluster, tmp_path):
    with Fleet(partial(world.Announcing, tmp_path), workers=2, slots=4) as fleet:
        fleet.publish({"w": np.ones(4)}, 10)
        victim = world.pids(tmp_path)[0]
        played = []
        for row in fleet.run(world.attempts(300)):
            if len(played) == 50:
                os.kill(victim, signal.SIGKILL)
            played.append(row)
        assert seeds(played) == list(range(300))
        assert all(row.failure is None for row in played)
        # The worker that took its place has the published weights, not those it was built with.
        assert {row.policy_version for row in played} == {14}
        assert len(world.pids(tmp_path)) == 3


def test_an_attempt_that_kills_every_worker_is_given_up_alone(world, cluster):
    with Fleet(partial(world.Deadly, 5), workers=1, slots=4) as fleet:
        played = list(fleet.run(world.attempts(8)))
    assert seeds(played) == list(range(8))
    assert [row.key.seed for row in played if row.failure is not None] == [5]
    dead = next(row for row in played if row.failure is not None)
    assert (dead.verdict.reward, dead.stop_reason) == (None, "failed")
    assert "every worker that played it died" in dead.failure.message


def test_what_a_killed_worker_s_sandboxes_ran_is_gone_and_played_again(fleet_world, cluster):
    sandboxes: list[int] = []

    def kill() -> None:
        ((worker, pids),) = fleet_world.busy_workers(1).items()
        sandboxes.extend(pids)
        (cluster / "killed").touch()
        os.kill(worker, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    with Fleet(fleet_world.Coding, workers=1, slots=2) as fleet:
        killing.start()
        played = list(fleet.run(fleet_world.coding(2)))
    killing.join()
    assert seeds(played) == [0, 1]
    assert all(row.failure is None for row in played)
    assert sandboxes
    deadline_s = time.monotonic() + 20
    while any(map(fleet_world.alive, sandboxes)):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_worker_that_dies_while_its_agent_is_built_is_tried_again_and_then_told(
    world, cluster, tmp_path
):
    def dies_once():
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return world.SeededAgent()

    with Fleet(dies_once, workers=1, slots=4) as fleet:
        assert len(list(fleet.run(world.attempts(8)))) == 8

    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(InfrastructureError, match="died 3 times while its agent was built"):
        Fleet(dies, workers=1, slots=4)


def sequences(n: int) -> list[TokenSequence]:
    return [TokenSequence(np.array([i], np.int32), np.array([True])) for i in range(n)]


def test_what_a_dying_worker_was_scoring_is_scored_by_another(cluster, world, tmp_path):
    deadly = partial(world.Deadly, 700, tmp_path / "once")
    with Fleet(deadly, workers=2, slots=4, num_cpus=0.5) as fleet:
        scores = fleet.score(sequences(2000))
    assert [float(score[0]) for score in scores] == [-float(i) for i in range(2000)]
    assert (tmp_path / "once").exists()


def test_sequences_that_kill_every_worker_are_an_error_that_says_so(cluster, world):
    with (
        Fleet(partial(world.Deadly, 0), workers=1, slots=4, num_cpus=0.5) as fleet,
        pytest.raises(InfrastructureError, match="3 workers died while scoring the same 5"),
    ):
        fleet.score(sequences(5))
