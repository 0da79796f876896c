"""Tasksets over rows: splits by file and by content, shared contents, malformed rows."""

from __future__ import annotations

import pytest

from reachgym.envs.datasets.mathematics import GSM8K, make_gsm8k
from reachgym.envs.datasets.sources import rows_taskset
from reachgym.envs.errors import ConfigError, InputError, TaskError
from reachgym.envs.taskset import content_hash
from reachgym.envs.types import SPLITS

NO_SPLITS = dict.fromkeys(SPLITS)


def row(n, question="How much is {n} and {n}?"):
    return {"question": question.format(n=n), "answer": f"It is {2 * n}.\n#### {2 * n}"}


def tasks(taskset):
    return {
        split: [taskset.task(split, index) for index in range(taskset.size(split))]
        for split in SPLITS
    }


def test_a_file_is_split_eight_to_one_to_one_and_every_row_has_its_place(write):
    rows = [row(n) for n in range(1000)]
    taskset = rows_taskset(GSM8K, write("rows.jsonl", rows), NO_SPLITS)
    found = tasks(taskset)
    sizes = {split: len(found[split]) for split in SPLITS}
    assert sum(sizes.values()) == 1000
    assert 750 < sizes["train"] < 850
    assert 70 < sizes["validation"] < 130
    prompts = [{task.prompt for task in found[split]} for split in SPLITS]
    assert sum(map(len, prompts)) == len(set.union(*prompts)) == 1000
    assert all(task.split == split for split in SPLITS for task in found[split])


def test_the_split_of_a_row_depends_on_what_it_asks_alone(write):
    rows = [row(n) for n in range(100)]
    whole = rows_taskset(GSM8K, write("whole.jsonl", rows), NO_SPLITS)
    respaced = [
        {**r, "question": r["question"].replace(" ", "  "), "answer": "#### 1"} for r in rows
    ]
    part = rows_taskset(GSM8K, write("part.parquet", respaced[::-2]), NO_SPLITS)
    of = {" ".join(t.prompt.split()): s for s, several in tasks(whole).items() for t in several}
    for split, several in tasks(part).items():
        assert all(of[" ".join(task.prompt.split())] == split for task in several)


def test_hashes_do_not_depend_on_format_or_the_order_of_fields(write):
    rows = [row(n) for n in range(30)]
    paths = [
        write("rows.jsonl", rows),
        write("rows.json", rows),
        write("rows.parquet", rows),
        write("turned.jsonl", [dict(reversed(r.items())) for r in rows]),
    ]
    hashes = {content_hash(rows_taskset(GSM8K, path, NO_SPLITS), "train", 15) for path in paths}
    assert len(hashes) == 1


def test_files_for_splits_keep_their_order(write):
    taskset = rows_taskset(
        GSM8K,
        None,
        {
            "train": [write("a.jsonl", [row(0), row(1)]), write("b.parquet", [row(2)])],
            "validation": None,
            "held_out": write("c.json", [row(3)]),
        },
    )
    assert {s: [t.gold for t in several] for s, several in tasks(taskset).items()} == {
        "train": ["0", "2", "4"],
        "validation": [],
        "held_out": ["6"],
    }
    assert taskset.place("train", 2).endswith("b.parquet, row 1")
    ids = [task.id for several in tasks(taskset).values() for task in several]
    assert len(set(ids)) == 4


def test_contents_that_splits_share_are_refused_with_both_places(write):
    splits = {
        "train": write("train.jsonl", [row(0), row(1), row(2)]),
        "held_out": write("test.jsonl", [row(5), row(2, " How  much is {n} and {n}? ")]),
    }
    with pytest.raises(TaskError) as caught:
        rows_taskset(GSM8K, None, splits)
    said = str(caught.value)
    assert "got 1 such rows in train" in said
    assert "train.jsonl, row 3 asks the same as" in said
    assert "test.jsonl, row 2" in said


def test_contents_that_splits_share_are_dropped_and_counted_where_that_is_asked(write):
    splits = {
        "train": write("train.jsonl", [row(0), row(1), row(1), row(2)]),
        "validation": write("dev.jsonl", [row(3), row(4)]),
        "held_out": write("test.jsonl", [row(2), row(3)]),
    }
    taskset = rows_taskset(GSM8K, None, splits, "drop")
    golds = {split: [task.gold for task in several] for split, several in tasks(taskset).items()}
    assert golds == {"train": ["0", "2", "2"], "validation": ["8"], "held_out": ["4", "6"]}
    found = taskset.found
    assert (found.rows, found.repeated, found.malformed, found.shared) == (8, 1, 0, 2)
    assert "asks the same as" in found.first_fault


def test_malformed_rows_are_refused_by_number_or_dropped_and_counted(write):
    path = write("rows.jsonl", [row(0), {"question": "Why?", "answer": "Because."}, row(1)])
    with pytest.raises(TaskError, match=r"rows\.jsonl, row 2: field 'answer' .*got 'Because\.'"):
        rows_taskset(GSM8K, path, NO_SPLITS)
    taskset = rows_taskset(GSM8K, path, NO_SPLITS, "drop")
    assert sum(taskset.size(split) for split in SPLITS) == 2
    assert (taskset.found.rows, taskset.found.malformed) == (3, 1)
    assert "row 2" in taskset.found.first_fault


@pytest.mark.parametrize("rows", [[], [{"question": "Why?", "answer": "Because."}]])
def test_files_without_a_usable_row_are_refused(write, rows):
    with pytest.raises(TaskError, match=r"expected rows in the shape of gsm8k, got none"):
        rows_taskset(GSM8K, write("rows.jsonl", rows), NO_SPLITS, "drop")


def test_indices_and_splits_that_there_are_not_are_refused(write):
    taskset = rows_taskset(GSM8K, None, {"train": write("rows.jsonl", [row(0)])})
    with pytest.raises(TaskError, match="expected an index from 0 to 0, got 1"):
        taskset.task("train", 1)
    with pytest.raises(TaskError, match="no held_out tasks"):
        taskset.task("held_out", 0)


def test_environments_share_a_taskset_until_its_file_changes(write):
    path = write("rows.jsonl", [row(0)])
    first, second = make_gsm8k(train=path), make_gsm8k(train=path)
    assert first.taskset is second.taskset
    write("rows.jsonl", [row(0), row(1)])
    assert make_gsm8k(train=path).taskset.size("train") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "got neither"),
        ({"path": "a.jsonl", "train": "b.jsonl"}, "got both"),
        ({"path": 3}, "path expects the path of a file"),
        ({"path": []}, "path expects the path of a file"),
        ({"train": ["a.jsonl", 3]}, "train expects paths as texts"),
        ({"path": "a.jsonl", "unusable": "keep"}, "unusable expects one of refuse, drop"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        make_gsm8k(**arguments)


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(InputError, match="found nothing"):
        make_gsm8k(path=str(tmp_path / "rows.jsonl"))
