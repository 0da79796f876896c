"""A fleet on several nodes of a real cluster: room that comes and goes, and what lies on nodes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import fleet_world
import pytest
from ray.cluster_utils import Cluster

from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.rollout.cluster import connect, disconnect, guarded_stdout
from reachgym.rollout.fleet import Fleet
from reachgym.rollout.progress import Progress

WORLDS = Path(__file__).parent / "worlds"
# So that a dead node is noticed after 1.5 s instead of 18.
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def traces(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def nodes(traces) -> Iterator[Cluster]:
    """A head that has room for no worker; the world reaches the workers as a working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fleet_world.FOLDER, str(traces))
        head = {"num_cpus": 0, "resources": {"head": 2}, "_system_config": QUICK}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        connect(cluster.address, working_dir=WORLDS)
        yield cluster
        disconnect()
        cluster.shutdown()


@pytest.fixture(autouse=True)
def no_traces(traces) -> None:
    for left in traces.iterdir():
        left.unlink()


def seeds(played) -> list[int]:
    return sorted(row.key.seed for row in played)


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()


def test_room_that_no_node_has_is_waited_for_and_then_refused(nodes):
    with pytest.raises(
        ConfigError, match="2 workers of 1 gold need 2, the cluster has 0 after 1 s"
    ):
        Fleet(
            fleet_world.Marking,
            workers=2,
            slots=1,
            num_cpus=0,
            resources={"gold": 1},
            wait_s=1,
        )


def test_room_that_others_hold_is_waited_for_and_then_named(nodes):
    wish = {"num_cpus": 0, "resources": {"head": 1.5}, "slots": 1}
    with (
        Fleet(fleet_world.Marking, workers=1, **wish),
        pytest.raises(InfrastructureError, match=r"1.5 head needed, 2 in the cluster, 0.5 free"),
    ):
        Fleet(fleet_world.Marking, workers=1, wait_s=1, **wish)


class Joining(logging.Handler):
    """Has a node join as soon as it is said what is missing."""

    def __init__(self, join: Callable[[], object]) -> None:
        super().__init__()
        self.join = join
        self.told: list[str] = []
        self.joined: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())
        if not self.joined:
            self.joined.append(self.join())


@pytest.fixture
def joining(nodes) -> Iterator[Callable[..., Joining]]:
    log = logging.getLogger("reachgym.rollout")
    handlers: list[Joining] = []

    def listen(**node) -> Joining:
        handler = Joining(partial(nodes.add_node, **node))
        handlers.append(handler)
        log.addHandler(handler)
        return handler

    yield listen
    for handler in handlers:
        log.removeHandler(handler)
        for node in handler.joined:
            nodes.remove_node(node)


def test_what_is_missing_is_told_and_a_node_that_joins_is_used(joining):
    handler = joining(num_cpus=2, resources={"gold": 2})
    wish = {"num_cpus": 0.5, "resources": {"gold": 0.5}}
    with Fleet(fleet_world.Marking, workers=2, slots=2, **wish) as fleet:
        assert seeds(fleet.run(fleet_world.attempts(20))) == list(range(20))
    assert "1 gold needed, 0 in the cluster, 0 free" in handler.told[0]


def test_what_lay_on_nodes_that_died_is_played_again_on_others(nodes, traces, capsys):
    doomed = [nodes.add_node(num_cpus=1), nodes.add_node(num_cpus=1)]
    told: list[Progress] = []
    with (
        guarded_stdout() as out,
        Fleet(fleet_world.Bulky, workers=2, slots=4, most_held=8) as fleet,
    ):
        run = fleet.run(fleet_world.attempts(60), on_progress=told.append)
        played = [next(run)]
        # What one worker answered was fetched; what the other answered lies on its node.
        assert eventually(lambda: len(list(traces.glob("started-*"))) >= 16)
        time.sleep(0.5)
        for node in doomed:
            nodes.remove_node(node, allow_graceful=False)
        others = [nodes.add_node(num_cpus=1), nodes.add_node(num_cpus=1)]
        played += run
        print("the result", file=out)
    for node in others:
        nodes.remove_node(node)
    assert seeds(played) == list(range(60))
    assert all(row.failure is None for row in played)
    assert told[-1].fleet.deaths >= 2
    printed = capsys.readouterr()
    # Ray prints its news of the nodes' deaths to stdout.
    assert printed.out == "the result\n"
    assert "raylet" in printed.err


def test_what_a_dead_node_s_sandboxes_ran_is_gone_and_played_again_elsewhere(nodes, traces):
    doomed = nodes.add_node(num_cpus=1)
    with (
        Fleet(fleet_world.Coding, workers=1, slots=2) as fleet,
        ThreadPoolExecutor(1) as pool,
    ):
        playing = pool.submit(lambda: list(fleet.run(fleet_world.coding(2))))
        ((_, sandboxes),) = fleet_world.busy_workers(1).items()
        (traces / "killed").touch()
        nodes.remove_node(doomed, allow_graceful=False)
        rescue = nodes.add_node(num_cpus=1)
        played = playing.result()
    nodes.remove_node(rescue)
    assert seeds(played) == [0, 1]
    assert sandboxes
    assert eventually(lambda: not any(map(fleet_world.alive, sandboxes)))


def test_when_every_node_is_lost_and_none_comes_the_run_says_so(nodes):
    only = nodes.add_node(num_cpus=1)
    with Fleet(fleet_world.Marking, workers=1, slots=1, wait_s=1) as fleet:
        run = fleet.run(fleet_world.attempts(1000))
        next(run)
        nodes.remove_node(only, allow_graceful=False)
        with pytest.raises(InfrastructureError, match="every worker lost its node, and for 1 s"):
            list(run)
