"""The environments and tasks of stored attempts, made again and checked against what was stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reachgym.envs.errors import StoreError, TaskError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, SPLITS, Split, Task
from reachgym.rollout.trajectory import Trajectory

# How far an endless split is looked through for a task whose id does not end with its index.
_MOST_ENDLESS = 100_000
_ENDLESS = 2**31
_INDEX = re.compile(r"[0-9]+$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored attempt can be played again."""

    ref: EnvRef
    env: ToolEnv
    task: Task


@dataclass(slots=True)
class _Known:
    """An environment, and the tasks seen on the way through its splits; a mutable record."""

    ref: EnvRef
    env: ToolEnv
    hashes: dict[tuple[Split, str], str] = field(default_factory=dict)
    indices: dict[tuple[Split, str], int] = field(default_factory=dict)
    walks: dict[Split, Iterator[int]] = field(default_factory=dict)


class Rebuilder:
    """Makes each environment once; close it when done."""

    def __init__(self, kwargs: Mapping[str, JSON] | None = None) -> None:
        """Begin.

        Args:
            kwargs: Arguments of the environments that replace the stored ones.
        """
        self._kwargs = dict(kwargs or {})
        self._known: dict[str, _Known] = {}

    def place(self, trajectory: Trajectory) -> Place:
        """The environment and the task of an attempt.

        Raises:
            InputError: There is no such environment today.
            TaskError: It has no such task, or another one of this id.
            StoreError: The stored reference is none.
        """
        known = self._known.get(trajectory.env)
        if known is None:
            ref = self._ref(trajectory.env)
            known = self._known[trajectory.env] = _Known(ref, make(ref))
        return Place(known.ref, known.env, _find(known, trajectory))

    def close(self) -> None:
        """Close the environments."""
        for known in self._known.values():
            known.env.close()
        self._known = {}

    def _ref(self, text: str) -> EnvRef:
        try:
            content = json.loads(text)
            return EnvRef(content["id"], {**content["kwargs"], **self._kwargs})
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"expected an environment as {{'id': ..., 'kwargs': ...}}; got {text}"
            ) from error


def _find(known: _Known, trajectory: Trajectory) -> Task:
    """The task with the stored hash, wherever in its split it lies."""
    split = next((name for name in SPLITS if name == trajectory.split), None)
    if split is None:
        raise TaskError(f"expected a split of {', '.join(SPLITS)}; got '{trajectory.split}'")
    wanted = (split, trajectory.key.task_hash)
    for index in _candidates(known, split, trajectory.task_id):
        task = known.env.taskset.task(split, index)
        known.indices[split, task.hash] = index
        known.hashes[split, task.id] = task.hash
        if wanted in known.indices or (split, trajectory.task_id) in known.hashes:
            break
    if wanted in known.indices:
        return known.env.taskset.task(split, known.indices[wanted])
    today = known.hashes.get((split, trajectory.task_id))
    name = f"'{trajectory.task_id}' of {known.ref.text}"
    if today is None:
        raise TaskError(f"there is no task {name} today; use the version that made the attempt")
    raise TaskError(
        f"task {name} is another one today (hash {today}, stored {trajectory.key.task_hash}); use "
        "the version and the arguments that made the attempt"
    )


def _candidates(known: _Known, split: Split, task_id: str) -> Iterator[int]:
    """Indices at which a task may lie: none if it is known, that in its name, then all others."""
    if (split, task_id) in known.hashes:
        return
    size = known.env.taskset.size(split)
    end = _MOST_ENDLESS if size is None else size
    named = _INDEX.search(task_id)
    if named and int(named[0]) < (_ENDLESS if size is None else size):
        yield int(named[0])
    # The walk goes on where the search for an earlier task ended.
    yield from known.walks.setdefault(split, iter(range(end)))
