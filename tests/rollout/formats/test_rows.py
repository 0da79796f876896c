"""Rows of tasks for SkyRL and verl, and environments made of rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.types import Message
from reachgym.rollout.formats.tasks import read_tasks, task_file_env
from reachgym.rollout.formats.transfer import Choice, Format, export, import_file
from reachgym.rollout.store import TrajectoryStore

ROWS = {Format.SKYRL: "reward_spec", Format.VERL: "reward_model"}


@pytest.mark.parametrize("form", ROWS)
def test_what_left_and_came_back_leaves_alike(tmp_path, played, form):
    assert export(played, form, tmp_path / "a.parquet").count == 6
    assert import_file(tmp_path / "a.parquet", form, tmp_path / "tasks.jsonl").count == 6
    export(tmp_path / "tasks.jsonl", form, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("form", ROWS)
def test_the_gold_answer_is_in_the_ground_truth_and_nowhere_else(tmp_path, played, form):
    export(played, form, tmp_path / "a.parquet", Choice(family="lookup-2"))
    env = make(EnvRef("reachgym/Lookup-v0", {"difficulty": 2}))
    for index, row in enumerate(pq.read_table(tmp_path / "a.parquet").to_pylist()):
        task = env.taskset.task("held_out", index)
        truth = row.pop(ROWS[form])
        assert truth["ground_truth"] == task.gold
        assert task.gold not in json.dumps(row)
        assert row["prompt"][-1] == {"role": "user", "content": task.prompt}
        assert row["extra_info"]["task_hash"] == task.hash
        assert row["extra_info"]["index"] == index


def test_the_columns_are_those_that_the_trainers_read(tmp_path, played):
    for form, names in (
        (Format.SKYRL, ["data_source", "prompt", "env_class", "reward_spec", "extra_info"]),
        (Format.VERL, ["data_source", "prompt", "ability", "reward_model", "extra_info"]),
    ):
        export(played, form, tmp_path / form)
        assert pq.read_schema(tmp_path / form).names == names


def test_an_environment_poses_imported_tasks(tmp_path, played):
    export(played, Format.SKYRL, tmp_path / "a.parquet", Choice(family="lookup-2"))
    import_file(tmp_path / "a.parquet", Format.SKYRL, tmp_path / "tasks.jsonl")
    items = list(read_tasks(tmp_path / "tasks.jsonl"))
    env = make(task_file_env(tmp_path / "tasks.jsonl"))
    opening, _ = env.reset(options={"split": "held_out", "index": 1})
    assert opening[-1].content == items[1].task.prompt
    *_, info = env.step(Message("assistant", items[1].task.gold))
    assert info["verdict"].passed


def test_rows_of_others_come_in_with_what_they_carry(tmp_path):
    rows = [
        {
            "data_source": "gsm8k",
            "prompt": [{"role": "user", "content": f"{n} + 1?"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": n + 1},
            "extra_info": {"split": "test", "index": n},
        }
        for n in range(2)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    import_file(tmp_path / "a.parquet", Format.VERL, tmp_path / "tasks.jsonl")
    tasks = [item.task for item in read_tasks(tmp_path / "tasks.jsonl")]
    assert [(task.gold, task.split, task.family) for task in tasks] == [
        ("1", "held_out", "gsm8k"),
        ("2", "held_out", "gsm8k"),
    ]
    assert make(task_file_env(tmp_path / "tasks.jsonl")).taskset.size("held_out") == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": None}, "prompt expects a list, got None"),
        ({"prompt": []}, "a system and a user message"),
        ({"reward_spec": None}, "reward_spec expects an object, got None"),
        (
            {"reward_spec": {"ground_truth": None}},
            "reward_spec.ground_truth expects a ground truth",
        ),
        ({"reward_spec": {"ground_truth": ""}}, "no gold answer"),
        ({"extra_info": {"split": "dev"}}, "extra_info.split expects one of train, "),
    ],
)
def test_a_wrong_row_is_named_and_leaves_nothing_behind(tmp_path, change, said):
    good = {
        "prompt": [{"role": "user", "content": "?"}],
        "reward_spec": {"ground_truth": "1"},
        "extra_info": {"split": "train"},
    }
    pq.write_table(pa.Table.from_pylist([good, good | change]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"a\.parquet, row 2: .*{said}"):
        import_file(tmp_path / "a.parquet", Format.SKYRL, tmp_path / "tasks.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_file_that_is_no_parquet_is_refused_in_one_line(tmp_path):
    (tmp_path / "a").write_text("{}")
    with pytest.raises(InputError, match="expected a Parquet file of rows") as caught:
        import_file(tmp_path / "a", Format.VERL, tmp_path / "tasks.jsonl")
    assert "\n" not in str(caught.value)


def test_a_task_file_is_no_store_of_attempts(tmp_path, played):
    export(played, Format.VERL, tmp_path / "a.parquet")
    import_file(tmp_path / "a.parquet", Format.VERL, tmp_path / "tasks.jsonl")
    with pytest.raises(InputError, match="can be exported as skyrl or verl"):
        export(tmp_path / "tasks.jsonl", Format.JSONL, tmp_path / "b")


def test_a_task_that_its_environment_no_longer_poses_is_named(tmp_path, played, trajectory):
    env = EnvRef("reachgym/Lookup-v0", {"difficulty": 1}).text
    TrajectoryStore(tmp_path / "store").append([replace(trajectory(), env=env)])
    with pytest.raises(InputError, match="use the version"):
        export(tmp_path / "store", Format.VERL, tmp_path / "a.parquet")
