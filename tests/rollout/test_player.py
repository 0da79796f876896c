"""A player plays on while nobody asks, and takes weights and jobs between two steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from echo_world import SeededAgent
from echo_world import attempts as echoes
from fleet_world import FOLDER, Gated, Marking, attempts

from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef
from reachgym.rollout.player import Player


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


@pytest.fixture
def players() -> Iterator[list[Player]]:
    opened: list[Player] = []
    yield opened
    for player in opened:
        player.close()


def seeds(report) -> list[int]:
    return sorted(trajectory.key.seed for trajectory in report.finished)


def test_what_is_handed_in_comes_back_once(players):
    players.append(player := Player(SeededAgent(), slots=4))
    report = player.exchange(1, echoes(30), more=False)
    assert seeds(report) == list(range(30))
    assert (report.in_flight, player.exchange(1, [], more=False).finished) == (0, [])


def test_while_there_is_more_to_be_had_it_reports_before_a_slot_is_empty(players):
    players.append(player := Player(SeededAgent(), slots=8))
    report = player.exchange(1, echoes(16), more=True)
    assert 8 < len(report.finished) <= 16


def test_it_plays_on_while_nobody_asks(players, folder):
    players.append(player := Player(Marking(), slots=2))
    player.exchange(1, attempts(8), more=True)
    played = threading.Event()

    def look():
        while len(list(folder.glob("started-*"))) < 8:
            pass
        played.set()

    threading.Thread(target=look, daemon=True).start()
    assert played.wait(10)


def test_in_lock_step_it_plays_only_while_somebody_asks(players, folder):
    players.append(player := Player(Marking(), slots=2, lock_step=True))
    first = player.exchange(1, attempts(8), more=True)
    # A job is done between two steps; if there were further steps, these would show.
    for _ in range(5):
        player.between_steps(lambda: None)
    started = len(list(folder.glob("started-*")))
    assert len(first.finished) <= started < 8 + 1
    rest = player.exchange(1, [], more=False)
    assert sorted(seeds(first) + seeds(rest)) == list(range(8))


def test_a_job_that_fails_tells_whoever_asked_for_it(players):
    players.append(player := Player(SeededAgent(), slots=1))
    with pytest.raises(ZeroDivisionError):
        player.between_steps(lambda: 1 / 0)
    assert player.between_steps(lambda: 7) == 7


def test_weights_that_are_announced_are_waited_for(players, folder):
    agent = Marking()
    players.append(player := Player(agent, slots=2, max_staleness=0))
    player.announce(1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(player.exchange, 1, attempts(4), False)
        player.between_steps(lambda: None)
        assert not list(folder.glob("started-*"))
        player.load(lambda: agent.load_weights({}, 1), 1)
        report = waiting.result(10)
    assert {row.policy_version for row in report.finished} == {1}
    assert report.version == 1


def test_weights_within_the_bound_are_not_waited_for(players):
    players.append(player := Player(SeededAgent(), slots=2, max_staleness=1))
    player.announce(1)
    assert len(player.exchange(1, echoes(4), more=False).finished) == 4


def test_what_comes_while_every_episode_waits_for_its_tool_is_played_at_once(players, folder):
    players.append(player := Player(Gated(1000), slots=2))
    try:
        assert seeds(player.exchange(1, attempts(2), more=True)) == [1]
        assert seeds(player.exchange(1, attempts(1, first=2), more=True)) == [2]
        assert player.between_steps(lambda: 7) == 7
    finally:
        (folder / "open").touch()


def test_a_new_run_begins_with_nothing_of_the_one_before(players, folder):
    players.append(player := Player(Gated(2), slots=2))
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(player.exchange, 1, attempts(1), False)
        next_run = None
        try:
            with ThreadPoolExecutor(1) as other:
                next_run = other.submit(player.exchange, 2, attempts(1, first=1), False)
                # Whoever waits for the run before is let go at once.
                assert early.result(10).finished == []
                (folder / "open").touch()
                assert seeds(next_run.result(10)) == [1]
        finally:
            (folder / "open").touch()


def test_what_comes_late_for_a_run_that_was_cleared_is_not_played(players, folder):
    players.append(player := Player(Marking(), slots=2))
    player.clear(1)
    assert player.exchange(1, attempts(4), more=False).finished == []
    player.clear(0)
    assert len(player.exchange(2, attempts(4, first=4), more=False).finished) == 4
    assert len(list(folder.glob("started-*"))) == 4


def test_an_environment_that_cannot_be_made_is_told_until_the_next_run(players):
    players.append(player := Player(SeededAgent(), slots=2))
    wrong = echoes(1, ref=EnvRef("nowhere:a/B-v0"))
    with pytest.raises(InputError, match="nowhere"):
        player.exchange(1, wrong, more=False)
    with pytest.raises(InputError, match="nowhere"):
        player.exchange(1, echoes(1), more=False)
    assert len(player.exchange(2, echoes(2), more=False).finished) == 2
