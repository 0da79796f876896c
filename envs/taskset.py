"""Tasks by split and index: lazy, seeded, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, SupportsIndex

import numpy as np

from reachgym.envs.errors import InputError, TaskError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import SPLITS, Split, Task

# An endless split is drawn from as if it had this many tasks.
ENDLESS = 2**31


class Taskset(Protocol):
    """Where tasks come from; equal splits and indices give equal tasks, always."""

    @property
    def name(self) -> str:
        """What the tasks are called together."""
        ...

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index.
        """
        ...

    def size(self, split: Split) -> int | None:
        """How many tasks a split has; None if it does not end."""
        ...


class ListTaskset:
    """Tasks that are given as a list."""

    def __init__(self, tasks: Sequence[Task], name: str = "tasks") -> None:
        """A taskset of these tasks, each in its own split.

        Raises:
            TaskError: There are none, one cannot be posed or scored, or two share an id.
        """
        self.name = name
        self._tasks: dict[Split, list[Task]] = {split: [] for split in SPLITS}
        seen: set[str] = set()
        if not tasks:
            raise TaskError("a taskset needs at least one task; the list is empty")
        for task in tasks:
            check_task(task)
            if task.id in seen:
                raise TaskError(f"task ids must differ; '{task.id}' comes twice")
            seen.add(task.id)
            self._tasks[task.split].append(task)

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split."""
        check_index(self, split, index)
        return self._tasks[split][index]

    def size(self, split: Split) -> int | None:
        """How many tasks a split has."""
        check_split(split)
        return len(self._tasks[split])


def choose_task(taskset: Taskset, options: Mapping[str, Any], rng: np.random.Generator) -> Task:
    """The task that an environment is reset to.

    Args:
        taskset: Where tasks come from.
        options: `{"task": Task}`, or `{"split": ..., "index": ...}`, or nothing for a training
            task drawn at random.
        rng: Draws where no index is given.

    Raises:
        TaskError: The task cannot be posed, or there is no such split or index.
        InputError: An option is unknown.
    """
    unknown = options.keys() - {"task", "split", "index"}
    if unknown or ("task" in options and len(options) > 1):
        raise InputError(
            "reset options are {'task': Task} or {'split': ..., 'index': ...}; "
            f"got {sorted(options)}"
        )
    task = options["task"] if "task" in options else _draw(taskset, options, rng)
    if not isinstance(task, Task):
        raise TaskError(f"option 'task' must be a Task, got {type(task).__name__}")
    check_task(task)
    return task


def _draw(taskset: Taskset, options: Mapping[str, Any], rng: np.random.Generator) -> Task:
    split = options.get("split", "train")
    check_split(split)
    size = taskset.size(split)
    if size == 0:
        raise TaskError(f"{taskset.name} has no {split} tasks; choose another split")
    index = options.get("index")
    if index is None:
        index = int(rng.integers(ENDLESS if size is None else size))
    return taskset.task(split, index)


def check_task(task: Task) -> None:
    """Refuse a task that cannot be posed or scored.

    Raises:
        TaskError: It lacks a gold answer or a prompt, names no known split, or its chance is no
            probability.
    """
    if not task.gold:
        raise TaskError(
            f"task '{task.id}' has no gold answer; give Task(gold=...), the verifier needs it"
        )
    if not task.prompt:
        raise TaskError(f"task '{task.id}' has no prompt; give Task(prompt=...)")
    if not 0 <= task.chance <= 1:
        raise TaskError(f"task '{task.id}': chance must lie in [0, 1], got {task.chance}")
    check_split(task.split)


def check_split(split: str) -> None:
    """Refuse an unknown split.

    Raises:
        TaskError: There is no such split.
    """
    if split not in SPLITS:
        raise TaskError(f"there is no split '{split}'; the splits are {', '.join(SPLITS)}")


def check_index(taskset: Taskset, split: Split, index: int) -> None:
    """Refuse an index outside its split.

    Raises:
        TaskError: There is no such split or index.
    """
    check_split(split)
    size = taskset.size(split)
    expected = "an index from 0 on" if size is None else f"an index from 0 to {size - 1}"
    if not isinstance(index, int | SupportsIndex):
        raise TaskError(f"expected {expected}, got {index!r}")
    if size == 0:
        raise TaskError(f"{taskset.name} has no {split} tasks; choose another split")
    if index < 0 or (size is not None and index >= size):
        count = "endless" if size is None else str(size)
        raise TaskError(
            f"{taskset.name} has {count} {split} tasks, expected {expected}, got {index}"
        )


def split_of(*content: str | int) -> Split:
    """The split that a content belongs to, in every world: 8 tenths are for training, 1 each else.

    Families that deal their contents so share none between splits, whatever the world seed.
    """
    tenth = derive_seed("split", *content) % 10
    return "train" if tenth < 8 else "validation" if tenth == 8 else "held_out"


def content_hash(taskset: Taskset, split: Split, n: int) -> str:
    """Sixteen hex digits over the first `n` tasks of a split: equal where the tasks are equal.

    Raises:
        TaskError: The split has fewer tasks.
    """
    digest = hashlib.sha256()
    for index in range(n):
        digest.update(taskset.task(split, index).hash.encode())
    return digest.hexdigest()[:16]
