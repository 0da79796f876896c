"""`reachgym replay` and `reachgym rescore` on stores that other commands made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reachgym.agents.scripted import oracle_agent
from reachgym.envs.errors import StoreError
from reachgym.envs.registration import EnvRef, make
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Failure
from reachgym.study.cli import app
from reachgym.study.cli_replay import short_diff

LOOKUP = EnvRef("reachgym/Lookup-v0", {"difficulty": 2})
GONE = Failure("OSError", "gone")


@pytest.fixture
def store(tmp_path) -> Path:
    """Three solved attempts, and a failure."""
    env, agent = make(LOOKUP), oracle_agent(LOOKUP.id)
    attempts = [
        Attempt(env.taskset.task("train", i), LOOKUP, i, "oracle", version=2) for i in range(4)
    ]
    *solved, last = (run_episode(agent, env, attempt) for attempt in attempts)
    with TrajectoryStore(tmp_path / "run") as kept:
        kept.append([*solved, replace(last, failure=GONE)])
    return tmp_path / "run"


def tampered(store: Path) -> Path:
    first, *others = TrajectoryStore(store).read(failures=False)
    reply = replace(first.turns[1].replies[0], content="zzzz")
    turns = (first.turns[0], replace(first.turns[1], replies=(reply,)), *first.turns[2:])
    with TrajectoryStore(store.parent / "tampered") as kept:
        kept.append([replace(first, turns=turns), *others])
    return store.parent / "tampered"


def digest(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("live", [(), ("--live",)])
def test_what_comes_out_the_same_ends_with_status_0(store, live):
    before = digest(store)
    ran = CliRunner().invoke(app, ["replay", str(store), *live])
    assert ran.exit_code == 0, ran.output
    assert "lookup-2" in ran.output
    assert ("tools were run" in ran.output) == bool(live)
    assert digest(store) == before


def test_a_difference_ends_with_status_1_and_is_in_the_report(store, tmp_path):
    report = tmp_path / "report.json"
    ran = CliRunner().invoke(app, ["replay", str(tampered(store)), "--out", str(report)])
    assert ran.exit_code == 1
    assert "turn 1, replies[0].content: expected 'zzzz'" in ran.output
    told = json.loads(report.read_text())
    assert told["families"]["lookup-2"] == {"attempts": 3, "differ": 1, "without_verdict": 0}
    (difference,) = told["differences"]
    assert difference["attempt"]["version"] == 2
    assert (difference["turn"], difference["field"]) == (1, "replies[0].content")
    assert difference["expected"] == "zzzz" != difference["got"]
    assert "expected 'zzzz'" in difference["diff"]


def test_only_the_chosen_attempts_are_replayed(store):
    ran = CliRunner().invoke(app, ["replay", str(tampered(store)), "--policy", "nobody"])
    assert ran.exit_code == 0


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    for command in (["replay", "no"], ["rescore", "no", "--out", "new"]):
        arguments = [command[0], *(str(tmp_path / a) if "-" not in a else a for a in command[1:])]
        ran = CliRunner().invoke(app, arguments)
        assert isinstance(ran.exception, StoreError)
    assert not list(tmp_path.iterdir())


def test_a_store_is_rescored_into_another_and_left_as_it_was(store, tmp_path):
    before = digest(store)
    # Where texts are shuffled no search is evidence.
    shuffled = 'interface={"tools": ["search"], "information": "shuffled"}'
    arguments = ["rescore", str(store), "--out", str(tmp_path / "new"), "--set", shuffled]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    assert "pass (" in ran.output
    assert "fail (" in ran.output
    assert digest(store) == before
    old, new = TrajectoryStore(store), TrajectoryStore(tmp_path / "new")
    assert new.keys() == old.keys()
    assert [row.verdict.passed for row in new.read(failures=False)] == [False] * 3
    assert [row.verdict.guess for row in new.read(failures=False)] == [True] * 3
    assert [row.failure for row in new.read()] == [None, None, None, GONE]
    again = CliRunner().invoke(app, arguments)
    assert "holds attempts already" in str(again.exception)


def test_a_difference_is_told_in_few_characters():
    long = "a" * 500
    told = short_diff(long + "b" + long, long + "c" + long)
    assert "b" in told
    assert "c" in told
    assert len(told) < 200
    assert short_diff(True, False) == "expected 'True', got 'False'"
