"""A fleet plays what the scheduler alone plays, on Ray workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from echo_world import SeededAgent, Weightless, attempts

from reachgym.agents.protocol import Completion, TokenSequence
from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.registration import EnvRef
from reachgym.envs.types import Message
from reachgym.rollout.fleet import Fleet, connect, disconnect
from reachgym.rollout.progress import Progress
from reachgym.rollout.scheduler import run_attempts


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "worlds"))
        connect(num_cpus=2)
        yield
        disconnect()


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


def test_more_workers_than_the_cluster_has_room_for_are_refused(cluster):
    with pytest.raises(ConfigError, match="need 9, the cluster has 2"):
        Fleet(SeededAgent, workers=9, slots=1)


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
