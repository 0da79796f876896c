"""`reachgym bench` as a user calls it: an agent of their own, a kill in the middle, mistakes."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from typer.testing import CliRunner

from reachgym.envs.errors import ConfigError, InputError, StoreError
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.acting import CustomFactory
from reachgym.study.cli import app

SLOW = """
import time

from reachgym.agents.protocol import Completion
from reachgym.envs.types import Message


class Slow:
    def __init__(self, word="no"):
        self.word = word

    def act(self, conversations, tools, limits, seeds):
        time.sleep(0.3)
        return [Completion(Message("assistant", self.word)) for _ in conversations]


class Idle:
    pass


class Costly(Slow):
    def act(self, conversations, tools, limits, seeds):
        raise RuntimeError("the quota is spent")


class Unready(Slow):
    def __init__(self):
        raise OSError("no such model")
"""
CONFIG = """
tasks: 16
attempts: 2
agents:
  slow: {kind: custom, path: "mine:Slow", args: {word: never}}
environments:
  lookup: {env: reachgym/Lookup-v0, kwargs: {text: terse}}
resources: {slots: 2}
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(SLOW)
    (tmp_path / "broken.py").write_text("class Agent:")
    (tmp_path / "bench.yaml").write_text(CONFIG)
    (tmp_path / "twice.yaml").write_text(CONFIG + "agents: {slow: {kind: oracle}}")
    return tmp_path


def kept(path):
    """What a store holds, by attempt; nothing while there is none."""
    try:
        return {attempt.key: attempt for attempt in TrajectoryStore(path, create=False).read()}
    except StoreError:
        return {}


def test_after_a_kill_no_attempt_is_repeated_or_lost(start, mine):
    command = ("bench", mine / "bench.yaml", "--out", mine / "run")
    trajectories = mine / "run" / "trajectories"
    killed = start(*command, path=mine)
    deadline_s = time.monotonic() + 60
    while not kept(trajectories) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = kept(trajectories)
    assert 0 < len(before) < 32
    again = start(*command, path=mine)
    out, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert f"{len(before)} of 32 attempts are there already" in out
    after = kept(trajectories)
    assert len(after) == 32
    # The very records, timings included: they were not made again.
    assert {key: after[key] for key in before} == before
    results = json.loads((mine / "run" / "results.json").read_text())
    assert (results["cells"][0]["scored"], results["cells"][0]["missing"]) == (32, 0)
    assert {turn.completion.message.content for a in after.values() for turn in a.turns} == {
        "never"
    }


def test_a_smoke_run_says_so_and_tells_what_broke_off(start, mine):
    agents = "agents={costly: {kind: custom, path: 'mine:Costly'}, oracle: {kind: oracle}}"
    options = ("--limit", "2", "--set", agents, "--out", mine / "run")
    ran = start("bench", mine / "bench.yaml", *options, path=mine)
    out, err = ran.communicate(timeout=100)
    assert ran.returncode == 0, err
    told = " ".join(out.split())
    assert "A smoke run: at most 2 tasks" in told
    assert "costly broke off: RuntimeError: the quota is spent" in told
    assert "costly at lookup: 2 unscored (RuntimeError)" in told
    cells = json.loads((mine / "run" / "results.json").read_text())["cells"]
    assert [(cell["agent"], cell["attempts"], cell["scored"]) for cell in cells] == [
        ("costly", 1, 0),
        ("oracle", 1, 2),
    ]


def test_an_agent_that_cannot_be_made_is_told(mine, monkeypatch):
    monkeypatch.chdir(mine)
    factory = CustomFactory("mine:Unready", {}, str(mine))
    with pytest.raises(ConfigError, match="OSError: no such model"):
        factory()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "expected a configuration, or --agent and --env"),
        (("--agent", "oracle"), "expected a configuration, or --agent and --env"),
        (("--agent", "oracle", "--env", "reachgym/Lokup-v0"), "Lookup-v0"),
        (("--agent", "mine:Idle", "--env", "reachgym/Lookup-v0"), "with a method `act`"),
        (("--agent", "mine:Gone", "--env", "reachgym/Lookup-v0"), "expected a class Gone"),
        (("--agent", "yours:Agent", "--env", "reachgym/Lookup-v0"), "could not be imported"),
        (("--agent", "broken:Agent", "--env", "reachgym/Lookup-v0"), "IndentationError"),
        (("{}/twice.yaml",), "the key 'agents' stands twice"),
        (("{}/bench.yaml", "--set", "budgets.none.turns=0"), "greater than 0"),
        (("{}/bench.yaml", "--set", "budgets.none.turn=1"), "did you mean 'turns'"),
        (("--agent", "nobody", "--env", "reachgym/Lookup-v0"), "nobody has no config.json"),
        (("{}/bench.yaml", "--agent", "oracle"), "got both"),
        (
            ("{}/bench.yaml", "--set", "agents.slow.words=x"),
            "unknown key 'agents.slow.custom.words",
        ),
        (("{}/bench.yaml", "--set", "split=test"), "'split'"),
        (("{}/bench.yaml", "--into", "{}/mine.py"), "once each"),
        (("{}/bench.yaml", "--set", "agents.slow.args.word2=x"), "word2"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(mine, monkeypatch, arguments, told):
    monkeypatch.chdir(mine)
    given = [argument.format(mine) for argument in arguments]
    ran = CliRunner().invoke(app, ["bench", *given, "--out", str(mine / "run")])
    assert isinstance(ran.exception, InputError), ran.output
    assert told in str(ran.exception)
    assert not (mine / "run").exists()
