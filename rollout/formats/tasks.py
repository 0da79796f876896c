"""Tasks as they were posed: found again behind stored attempts, and kept in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import gymnasium
from gymnasium.envs.registration import EnvCreator

from reachgym.envs.errors import InputError, TaskError
from reachgym.envs.registration import EnvRef
from reachgym.envs.taskset import ListTaskset, check_task
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Task
from reachgym.rollout.formats.files import read_json_lines
from reachgym.rollout.formats.reading import (
    FieldError,
    an_object,
    number,
    one_of,
    record,
    text,
)
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.trajectory import Trajectory

VERSION = 1
_ID = "reachgym/TaskFile-v0"


@dataclass(frozen=True, slots=True)
class PosedTask:
    """A task as an agent met it.

    Attributes:
        task: The task; read from a file, it is without metadata.
        task_hash: The hash of the task as its environment has it, metadata included.
        env: The environment's spec as JSON text.
        system: The system message, empty if there was none.
    """

    task: Task
    task_hash: str
    env: str
    system: str


def posed(trajectory: Trajectory, rebuilder: Rebuilder) -> PosedTask:
    """The task of an attempt, gold included, as it was posed.

    Raises:
        InputError: The environment is not to be had here, or poses no such task now.
    """
    first = trajectory.opening[0]
    system = first.content if first.role == "system" else ""
    task = rebuilder.place(trajectory).task
    return PosedTask(task, trajectory.key.task_hash, trajectory.env, system)


def dump(item: PosedTask) -> str:
    """One line of a task file."""
    task = item.task
    told = {
        "id": task.id,
        "prompt": task.prompt,
        "gold": task.gold,
        "family": task.family,
        "split": task.split,
        "files": dict(task.files),
        "chance": task.chance,
    }
    row = {"task_hash": item.task_hash, "env": item.env, "system": item.system, "task": told}
    return json.dumps({"reachgym_task": VERSION, **row})


def load(value: object, where: str = "") -> PosedTask:
    """The task that `dump` wrote, from the decoded line.

    Raises:
        FieldError: It is no such line, or one of another version.
    """
    row = dict(an_object(value, where))
    version = row.pop("reachgym_task", None)
    if version != VERSION:
        raise FieldError("reachgym_task", f"the format's version, {VERSION}", version)
    item = _POSED(row, where)
    checked(item.task, "task")
    return item


def read_tasks(path: Path) -> Iterator[PosedTask]:
    """The tasks of a file, in order.

    Raises:
        InputError: The file cannot be read, or a line is wrong.
    """
    return read_json_lines(path, load)


def task_file_env(path: Path) -> EnvRef:
    """The reference to an environment that poses the tasks of a file, without tools.

    An answer passes that equals the gold. Wherever the environment is made, the file must be.
    """
    return EnvRef(f"{__name__}:{_ID}", {"path": str(path)})


def checked(task: Task, where: str) -> Task:
    """The task, if it can be posed and scored.

    Raises:
        FieldError: It cannot.
    """
    try:
        check_task(task)
    except TaskError as error:
        raise FieldError(where, f"a task that can be posed and scored ({error})", task.id) from None
    return task


def files_of(value: object, where: str) -> dict[str, str]:
    """Reads a task's files, path to text."""
    return {name: text(body, f"{where}.{name}") for name, body in an_object(value, where).items()}


def _make(path: str, render_mode: str | None = None) -> ToolEnv:
    items = list(read_tasks(Path(path)))
    systems = {item.system for item in items}
    if len(systems) > 1:
        raise InputError(
            f"{path} has {len(systems)} different system messages, an environment has one; "
            "split the file"
        )
    return ToolEnv(
        ListTaskset([item.task for item in items], path),
        system_prompt=next(iter(systems), ""),
        render_mode=render_mode,
    )


_POSED = record(
    PosedTask,
    task_hash=text,
    env=text,
    system=text,
    task=record(
        Task,
        id=text,
        prompt=text,
        gold=text,
        family=text,
        split=one_of(SPLITS),
        files=files_of,
        chance=number,
    ),
)

gymnasium.register(_ID, entry_point=cast(EnvCreator, _make), order_enforce=False)
