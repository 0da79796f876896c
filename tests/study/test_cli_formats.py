"""`reachgym export` and `import`, as a person meets them."""

from __future__ import annotations

import pytest

from reachgym.agents.scripted import oracle_agent
from reachgym.envs.registration import EnvRef, make
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.store import TrajectoryStore


@pytest.fixture
def store(tmp_path):
    ref = EnvRef("reachgym/Lookup-v0")
    env = make(ref)
    attempt = Attempt(env.taskset.task("held_out", 0), ref, 0, "oracle", env.budget)
    TrajectoryStore(tmp_path / "store").append([run_episode(oracle_agent(ref.id), env, attempt)])
    return tmp_path / "store"


def test_rows_leave_and_come_back_and_where_the_gold_is_is_said(reachgym, tmp_path, store):
    rows, tasks = str(tmp_path / "rows.parquet"), str(tmp_path / "tasks.jsonl")
    left = reachgym("export", str(store), "--format", "skyrl", "--out", rows)
    assert (left.returncode, left.stderr) == (0, "")
    assert left.stdout.endswith("rows.parquet: 1 tasks; the gold answers are in reward_spec\n")
    came = reachgym("import", rows, "--format", "skyrl", "--out", tasks)
    assert (came.returncode, came.stdout) == (0, f"{tasks}: 1 tasks\n")


def test_only_what_is_asked_for_leaves_and_nothing_is_overwritten(reachgym, tmp_path, store):
    asked = ["export", str(store), "--format", "trl-sft", "--out", str(tmp_path / "a"), "--passed"]
    assert "a: 1 attempts" in reachgym(*asked, "--policy", "oracle").stdout
    again = reachgym(*asked)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "exists already" in again.stderr


def test_an_unknown_format_is_refused_with_those_there_are(reachgym, tmp_path, store):
    ran = reachgym("export", str(store), "--format", "csv", "--out", str(tmp_path / "a"))
    assert ran.returncode == 2
    assert "one of jsonl, trl-sft, skyrl, verl; got 'csv'" in ran.stderr
