"""Tasksets: lists, splits, and what a task must have."""

from __future__ import annotations

import pytest

from reachgym.envs import ListTaskset, Task
from reachgym.envs.errors import TaskError
from reachgym.envs.taskset import check_index, content_hash

TASKS = [
    Task("a", "first", "1"),
    Task("b", "second", "2", split="held_out"),
    Task("c", "third", "3"),
]


def test_a_list_is_dealt_to_its_splits_in_order():
    taskset = ListTaskset(TASKS, "letters")
    assert taskset.name == "letters"
    assert [taskset.size(split) for split in ("train", "validation", "held_out")] == [2, 0, 1]
    assert [taskset.task("train", index).id for index in (0, 1)] == ["a", "c"]
    assert taskset.task("held_out", 0).id == "b"


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (Task("x", "p", ""), "task 'x' has no gold answer"),
        (Task("x", "", "g"), "task 'x' has no prompt"),
        (Task("x", "p", "g", chance=1.5), r"chance must lie in \[0, 1\], got 1.5"),
        (Task("x", "p", "g", chance=float("nan")), "chance must lie"),
        (Task("x", "p", "g", split="test"), "no split 'test'; the splits are train"),
        (Task("a", "p", "g"), "'a' comes twice"),
    ],
)
def test_a_bad_task_is_refused_with_its_reason(task, told):
    with pytest.raises(TaskError, match=told):
        ListTaskset([*TASKS, task])


def test_a_list_without_tasks_is_refused():
    with pytest.raises(TaskError, match="empty"):
        ListTaskset([])


@pytest.mark.parametrize(
    ("split", "index", "told"),
    [
        ("train", 2, "2 train tasks, expected an index from 0 to 1, got 2"),
        ("train", -1, "got -1"),
        ("train", 0.0, r"got 0\.0"),
        ("train", None, "got None"),
        ("validation", 0, "no validation tasks"),
        ("test", 0, "no split 'test'"),
    ],
)
def test_an_index_or_a_split_that_there_is_not_is_refused(split, index, told):
    with pytest.raises(TaskError, match=told):
        ListTaskset(TASKS).task(split, index)


def test_an_endless_split_takes_any_index_from_zero_on():
    class Endless:
        name = "endless"

        def task(self, split, index):
            check_index(self, split, index)
            return Task(str(index), "p", "g")

        def size(self, split):
            return None

    assert Endless().task("train", 10**15).id == str(10**15)
    with pytest.raises(TaskError, match="an index from 0 on, got -1"):
        Endless().task("train", -1)


def test_the_content_hash_tells_tasks_apart():
    same = content_hash(ListTaskset(TASKS), "train", 2)
    assert content_hash(ListTaskset(list(TASKS), "renamed"), "train", 2) == same
    changed = [*TASKS[:2], Task("c", "third", "4")]
    assert content_hash(ListTaskset(changed), "train", 2) != same
    assert content_hash(ListTaskset(TASKS[::-1]), "train", 2) != same
    assert content_hash(ListTaskset(changed), "train", 1) == content_hash(
        ListTaskset(TASKS), "train", 1
    )


def test_the_content_hash_of_more_tasks_than_there_are_is_refused():
    with pytest.raises(TaskError, match="got 2"):
        content_hash(ListTaskset(TASKS), "train", 3)
