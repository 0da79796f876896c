"""The store keeps every attempt once, whole or not at all."""

from __future__ import annotations

import json

import pytest

from reachgym.envs.errors import StoreError
from reachgym.rollout.codec import encode
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Failure

GONE = Failure("OSError", "gone")


def test_what_was_appended_is_there_when_the_store_is_opened_again(tmp_path, trajectory):
    rows = [trajectory(seed) for seed in range(5)]
    store = TrajectoryStore(tmp_path / "run")
    assert store.append(rows[:3]) == 3
    assert store.append_table(encode(rows[3:])) == 2
    again = TrajectoryStore(tmp_path / "run")
    assert list(again.read()) == rows
    assert again.keys() == store.keys() == {row.key for row in rows}


def test_an_attempt_that_is_done_is_not_stored_twice(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1)])
    assert store.append([trajectory(1), trajectory(2), trajectory(2)]) == 1
    store.close()
    assert TrajectoryStore(tmp_path).append([trajectory(1), trajectory(2)]) == 0
    assert [row.key.seed for row in store.read()] == [1, 2]


def test_the_same_seed_of_another_policy_is_another_attempt(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1), trajectory(1, policy="rl")])
    assert [row.key.policy for row in store.read()] == ["base", "rl"]


def test_the_same_seed_asked_of_other_weights_is_another_attempt(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    assert store.append([trajectory(1, version=3), trajectory(1, version=4)]) == 2
    assert store.append([trajectory(1, version=4)]) == 0
    assert [row.key.version for row in TrajectoryStore(tmp_path).read()] == [3, 4]


def test_a_failure_is_kept_but_not_done_and_a_success_takes_its_place(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1, failure=GONE, reward=None), trajectory(2)])
    assert store.keys() == {trajectory(2).key}
    assert [row.failure for row in store.read()] == [None, GONE]
    assert list(store.read(failures=False)) == [trajectory(2)]
    store.append([trajectory(1, failure=Failure("OSError", "again"), reward=None)])
    assert [row.failure and row.failure.message for row in store.read()] == [None, "again"]
    store.append([trajectory(1)])
    for opened in (store, TrajectoryStore(tmp_path)):
        assert opened.keys() == {trajectory(1).key, trajectory(2).key}
        assert [row.failure for row in opened.read()] == [None, None]
        assert opened.summary()["failure_kind"].null_count == 2


def test_a_failure_after_a_success_changes_nothing(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1)])
    assert store.append([trajectory(1, failure=GONE, reward=None)]) == 0
    assert list(store.read()) == [trajectory(1)]


def test_a_success_wins_over_a_failure_in_the_same_append(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1, failure=GONE, reward=None), trajectory(1)])
    assert list(store.read()) == [trajectory(1)]


def test_reading_can_be_narrowed_to_a_policy_and_a_family(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1), trajectory(2, policy="rl"), trajectory(3, family="sums")])
    assert [row.key.seed for row in store.read(policy="rl")] == [2]
    assert [row.key.seed for row in store.read(family="sums")] == [3]
    assert list(store.read(policy="rl", family="sums")) == []


def test_the_summary_has_a_row_an_attempt_and_the_light_columns(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    assert store.summary().num_rows == 0
    store.append([trajectory(1), trajectory(2, failure=GONE, reward=None)])
    done, failed = store.summary().to_pylist()
    assert done == {
        "policy": "base",
        "version": 2,
        "family": "lookup-2",
        "split": "held_out",
        "task_id": "task-1",
        "task_hash": f"{1:016x}",
        "seed": 1,
        "passed": True,
        "reward": 1.0,
        "guess": True,
        "stop_reason": "answered",
        "failure_kind": None,
        "sandbox": "namespaces",
        "action_tokens": 5,
        "tool_calls": 2,
    }
    assert (failed["passed"], failed["failure_kind"]) == (None, "OSError")


def test_a_half_written_shard_is_not_seen(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1)])
    shard = next(tmp_path.glob("*.parquet"))
    (tmp_path / ".000001-ab.parquet.tmp").write_bytes(shard.read_bytes()[:100])
    assert list(TrajectoryStore(tmp_path).read()) == [trajectory(1)]


def test_a_store_that_died_while_it_was_made_can_be_made(tmp_path, trajectory):
    (tmp_path / ".store.json.tmp").write_text("{")
    assert TrajectoryStore(tmp_path).append([trajectory(1)]) == 1


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="holds no trajectory store"):
        TrajectoryStore(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        TrajectoryStore(tmp_path / "run")


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ({"format": "reachgym trajectories", "version": 99}, "the reachgym that made it"),
        ({"format": "a cookbook", "version": 1}, "holds 'a cookbook'"),
        ({}, "damaged"),
    ],
)
def test_a_marker_of_another_or_newer_format_is_refused_in_one_line(tmp_path, marker, said):
    (tmp_path / "store.json").write_text(json.dumps(marker))
    with pytest.raises(StoreError, match=said) as caught:
        TrajectoryStore(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_shard_is_named_in_one_line(tmp_path, trajectory):
    store = TrajectoryStore(tmp_path)
    store.append([trajectory(1)])
    shard = next(tmp_path.glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(StoreError, match=shard.name) as caught:
        TrajectoryStore(tmp_path)
    assert "\n" not in str(caught.value)
