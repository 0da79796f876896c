"""A fleet plays what the scheduler alone plays, on Ray workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import fleet_world
import numpy as np
import pytest
import ray
from echo_world import SeededAgent, Weightless, attempts
from fleet_world import Gated, Marking, Watching

from reachgym.agents.protocol import Completion, TokenSequence
from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.registration import EnvRef
from reachgym.envs.types import Message
from reachgym.rollout.fleet import Fleet, connect, disconnect
from reachgym.rollout.progress import Progress
from reachgym.rollout.scheduler import run_attempts


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Path]:
    """The folder in which agents leave traces."""
    traces = tmp_path_factory.mktemp("traces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "worlds"))
        patch.setenv(fleet_world.FOLDER, str(traces))
        connect(num_cpus=2)
        yield traces
        disconnect()


@pytest.fixture
def traces(cluster) -> Path:
    for left in cluster.iterdir():
        left.unlink()
    return cluster


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()


@pytest.fixture(scope="module")
def fleet(cluster) -> Iterator[Fleet]:
    with Fleet(SeededAgent, workers=2, slots=8, num_cpus=0.5) as opened:
        yield opened


def outcome(row) -> tuple:
    return row.key, row.verdict, [turn.completion for turn in row.turns], row.usage


def test_trajectories_are_those_of_the_scheduler_alone(fleet):
    asked = attempts(100)
    played = list(fleet.run(asked))
    alone = list(run_attempts(SeededAgent(), asked, slots=8))
    assert len(played) == 100
    assert sorted(map(outcome, played), key=str) == sorted(map(outcome, alone), key=str)


def test_progress_is_told_until_everything_is_done(fleet):
    told: list[Progress] = []
    list(fleet.run(attempts(50), on_progress=told.append))
    assert (told[-1].done, told[-1].total, told[-1].failed) == (50, 50, 0)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert told[-1].rate > 0
    assert told[-1].eta_s == 0


def test_published_weights_reach_every_worker(fleet):
    for version in (10, 20):
        fleet.publish({"w": np.ones(3, np.float32)}, version)
        played = list(fleet.run(attempts(40)))
        assert {row.policy_version for row in played} == {version + 3}


def test_weights_in_the_object_store_are_published_by_reference(fleet):
    fleet.publish(ray.put({"w": np.ones(5, np.float32)}), 30)
    assert {row.policy_version for row in fleet.run(attempts(20))} == {35}


def test_a_run_that_is_left_early_does_not_disturb_the_next(fleet):
    early = fleet.run(attempts(200))
    next(early)
    early.close()
    played = list(fleet.run(attempts(30)))
    assert sorted(row.key.seed for row in played) == list(range(30))


def test_an_environment_that_workers_cannot_import_is_named(fleet):
    with pytest.raises(InputError, match="nowhere_to_be_found"):
        list(fleet.run(attempts(2, ref=EnvRef("nowhere_to_be_found:a/B-v0"))))
    assert len(list(fleet.run(attempts(4)))) == 4


def test_workers_import_the_module_that_an_environments_name_begins_with(cluster):
    class Stranger:
        """Sent by value: nothing but the environment's name leads a worker to its module."""

        def act(self, conversations, tools, limits, seeds):
            return [Completion(Message("assistant", "1")) for _ in conversations]

    with Fleet(Stranger, workers=1, slots=2) as strangers:
        played = list(strangers.run(attempts(8, ref=EnvRef("echo_world:test/Echo-v0"))))
    assert [row.failure for row in played] == [None] * 8
    assert sum(row.verdict.passed for row in played) == 1


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"num_gpus": 1.5}, "num_gpus below 1 or a whole number; got 1.5"),
        ({"num_cpus": -1}, "num_cpus of 0 or more; got -1"),
        ({"num_cpus": 0}, "cannot be placed; give it a small share"),
        ({"resources": {"tpu": 1}}, "1 workers of 1 tpu need 1, the cluster has 0"),
        ({"most_held": 3}, "most_held of 4 slots or more; got 3"),
        ({"max_staleness": -1}, "max_staleness of 0 or more, or None; got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(cluster, wish, told):
    with pytest.raises(ConfigError, match=told):
        Fleet(SeededAgent, workers=1, slots=4, **wish)


def test_more_workers_than_the_cluster_has_room_for_are_refused(cluster):
    with pytest.raises(ConfigError, match="need 9, the cluster has 2"):
        Fleet(SeededAgent, workers=9, slots=1)


def test_one_copy_of_the_weights_serves_every_worker_of_a_node(traces):
    with Fleet(Watching, workers=2, slots=2, num_cpus=0.5) as fleet:
        fleet.publish({"w": np.ones(1_000_000, np.float32)}, 1)
        fleet.publish({"w": np.full(1_000_000, 2, np.float32)}, 2)
    told = [(file.name.split("-")[0], file.read_text().split()) for file in traces.iterdir()]
    for version, total in (("1", "1e+06"), ("2", "2e+06")):
        first, second = [rest for of, rest in told if of == version]
        # The same bytes of the same shared memory, which nobody can write.
        assert first == second == [first[0], "False", total]


def test_weights_may_be_published_during_a_run_and_slow_tools_hold_nobody_up(traces):
    with Fleet(partial(Gated, 1000), workers=1, slots=4, num_cpus=0.5) as fleet:
        run = fleet.run(fleet_world.attempts(200))
        played = [next(run) for _ in range(8)]
        started_s = time.monotonic()
        fleet.publish({}, 7)
        assert time.monotonic() - started_s < 2
        while played[-1].policy_version != 7:
            played.append(next(run))
        (traces / "open").touch()
        played += run
    assert sorted(row.key.seed for row in played) == list(range(200))
    assert {row.policy_version for row in played} == {0, 7}


@pytest.mark.parametrize("bound", [0, 2])
def test_nothing_is_handed_out_that_began_too_many_versions_ago(traces, bound):
    told: list[Progress] = []
    with Fleet(Marking, workers=2, slots=4, num_cpus=0.5, max_staleness=bound) as fleet:
        played, version = [], 0
        for row in fleet.run(fleet_world.attempts(60), on_progress=told.append):
            assert version - row.policy_version <= bound
            played.append(row.key.seed)
            if len(played) % 5 == 0:
                version += 1
                fleet.publish({}, version)
    assert sorted(played) == list(range(60))
    assert told[-1].fleet.stale > 0
    assert told[-1].done == 60


def test_with_a_bound_versions_must_grow(cluster):
    with Fleet(Marking, workers=1, slots=1, num_cpus=0.5, max_staleness=0) as fleet:
        fleet.publish({}, 3)
        with pytest.raises(InputError, match="got 3 after 3"):
            fleet.publish({}, 3)


def test_an_agent_that_keeps_its_version_to_itself_is_refused_weights(cluster):
    class Silent(Marking):
        def load_weights(self, state, version):
            """Keep the old version."""

    with (
        Fleet(Silent, workers=1, slots=1, num_cpus=0.5) as fleet,
        pytest.raises(InputError, match="Silent has version 0 after load_weights of version 1"),
    ):
        fleet.publish({}, 1)


def test_a_slow_consumer_stops_the_workers_at_the_bound_and_no_earlier(traces):
    def started() -> int:
        return len(list(traces.glob("started-*")))

    def more_than(taken: int) -> bool:
        return started() > taken

    with Fleet(Marking, workers=2, slots=2, num_cpus=0.5, most_held=10) as fleet:
        taken = 0
        for _ in fleet.run(fleet_world.attempts(100)):
            taken += 1
            if taken in (1, 30, 55):
                # Workers play on without being asked, until each holds its ten.
                assert eventually(partial(more_than, taken))
                time.sleep(0.3)
            assert started() <= taken + 2 * 10
    assert taken == started() == 100


def test_who_looks_on_is_told_what_the_fleet_is_at(traces):
    told: list[Progress] = []
    with Fleet(Marking, workers=2, slots=4, num_cpus=0.5) as fleet:
        fleet.publish({}, 5)
        list(fleet.run(fleet_world.attempts(40), on_progress=told.append))
    first, last = told[0].fleet, told[-1].fleet
    assert (last.version, last.deaths, last.stale, last.queue, last.failures) == (5, 0, 0, 0, {})
    assert [(worker.starting, worker.held, worker.version) for worker in last.workers] == (
        [(False, 0, 5)] * 2
    )
    assert all(worker.node for worker in last.workers)
    assert sum(worker.held for worker in first.workers) + first.queue > 0


def test_agents_without_weights_say_so(cluster):
    with (
        Fleet(Weightless, workers=1, slots=1) as weightless,
        pytest.raises(InputError, match="Weightless takes no weights"),
    ):
        weightless.publish({}, 1)


def test_what_the_factory_raises_is_raised(cluster):
    def factory():
        raise ZeroDivisionError("no such model")

    with pytest.raises(ZeroDivisionError, match="no such model"):
        Fleet(factory, workers=1, slots=1)


def sequences(n: int) -> list[TokenSequence]:
    return [
        TokenSequence(np.array([1, i, 2], np.int32), np.array([False, True, True]))
        for i in range(n)
    ]


def test_scores_come_back_in_order_from_all_workers(fleet):
    asked = sequences(1300)
    scores = fleet.score(asked)
    assert [score.tolist() for score in scores] == [[-float(i), -2.0] for i in range(1300)]
    assert fleet.score([]) == []


def test_agents_that_score_nothing_say_so(cluster):
    with (
        Fleet(Weightless, workers=1, slots=1, num_cpus=0.5) as closed,
        pytest.raises(InputError, match=r"Weightless scores nothing; .* score\(sequences\)"),
    ):
        closed.score(sequences(1))
