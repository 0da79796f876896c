"""Workers and machines that die: nothing is lost, nothing doubled, and the culprit is found."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from reachgym.agents.protocol import TokenSequence
from reachgym.envs.errors import InfrastructureError
from reachgym.rollout.fleet import Fleet, connect, disconnect

WORLDS = Path(__file__).parents[1] / "rollout" / "worlds"


@pytest.fixture(scope="module")
def world() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(WORLDS))
        patch.syspath_prepend(str(WORLDS))
        yield importlib.import_module("echo_world")


@pytest.fixture(scope="module")
def cluster(world) -> Iterator[None]:
    connect(num_cpus=2)
    yield
    disconnect()


def seeds(played) -> list[int]:
    return sorted(row.key.seed for row in played)


# First, for it connects to a cluster of its own, and the others share one.
def test_two_machines_play_together_and_one_may_die(world, tmp_path):
    settings = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": settings}
    )
    second = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    connect(nodes.address)
    try:
        with Fleet(partial(world.Announcing, tmp_path), workers=2, slots=4) as fleet:
            used = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
            played = []
            for row in fleet.run(world.attempts(200)):
                if len(played) == 40:
                    nodes.remove_node(second, allow_graceful=False)
                played.append(row)
            assert len(used) == 2
            assert seeds(played) == list(range(200))
            assert all(row.failure is None for row in played)
    finally:
        disconnect()
        nodes.shutdown()


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
