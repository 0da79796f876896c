"""Every attempt is with one worker at a time, and what kills workers is found and given up."""

from __future__ import annotations

import itertools

from reachgym.envs.registration import EnvRef
from reachgym.envs.types import Task
from reachgym.rollout.episode import Attempt
from reachgym.rollout.workload import Workload


def attempts(n: int) -> list[Attempt]:
    return [
        Attempt(Task(f"t{i}", "p", "g"), EnvRef("test/Echo-v0", {}), i, "base") for i in range(n)
    ]


def test_few_attempts_are_shared_evenly():
    work = Workload(attempts(10), workers=2, most_held=128)
    first, _ = work.hand_out(0)
    second, more = work.hand_out(1)
    assert (len(first), len(second), more) == (5, 5, False)


def test_a_worker_holds_two_per_slot_and_an_endless_stream_is_read_as_needed():
    stream = (Attempt(Task(f"t{i}", "p", "g"), EnvRef("e", {}), i, "p") for i in itertools.count())
    work = Workload(stream, workers=2, most_held=8)
    given, more = work.hand_out(0)
    assert (len(given), more) == (8, True)
    assert work.hand_out(0) == ([], True)
    work.settle(0, [attempt.key for attempt in given[:3]])
    assert len(work.hand_out(0)[0]) == 3
    assert next(stream).seed < 64


def test_it_is_finished_when_everything_is_settled():
    work = Workload(attempts(2), workers=1, most_held=8)
    given, _ = work.hand_out(0)
    assert not work.finished
    work.settle(0, [attempt.key for attempt in given])
    assert work.finished
    assert Workload([], workers=1, most_held=2).finished


def test_what_a_dead_worker_held_is_played_again_by_any_worker():
    everything = attempts(8)
    work = Workload(everything, workers=2, most_held=8)
    lost, _ = work.hand_out(0)
    assert work.lose(0) == []
    played = []
    while not work.finished:
        for worker in (0, 1):
            given, _ = work.hand_out(worker)
            played += given
            work.settle(worker, [attempt.key for attempt in given])
    assert sorted(attempt.seed for attempt in played) == list(range(8))
    assert len(lost) == 4


def test_one_attempt_that_kills_its_workers_is_the_only_one_given_up():
    work = Workload(attempts(200), workers=1, most_held=200)
    settled, given_up, deaths = [], [], 0
    while not work.finished:
        given, _ = work.hand_out(0)
        if any(attempt.seed == 77 for attempt in given):
            given_up += work.lose(0)
            deaths += 1
            continue
        settled += given
        work.settle(0, [attempt.key for attempt in given])
    assert [attempt.seed for attempt in given_up] == [77]
    assert sorted(attempt.seed for attempt in settled) == [i for i in range(200) if i != 77]
    assert deaths == 4
