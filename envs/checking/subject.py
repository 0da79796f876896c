"""The environment under check, the tasks it is looked at by, and episodes played in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.registration import EnvRef, Oracle, make, oracle_of
from reachgym.envs.suites import family_of
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Message, StopReason, Task, Verdict

Guess: TypeAlias = Callable[[str, random.Random], str]

_FEW = 2
_MOST_TURNS = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What the checks look at.

    Attributes:
        ref: The environment, by reference.
        env: One of it, which every check resets anew.
        oracle: What solves it, None if nothing is known to.
        guess: The best prompt-blind guess, None if none is known.
        count: Tasks of every split that are looked at, where it has as many.
        tasks: These tasks.
        few: The first of every split among them, for what takes long.
    """

    ref: EnvRef
    env: ToolEnv
    oracle: Oracle | None
    guess: Guess | None
    count: int
    tasks: tuple[Task, ...]
    few: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode that was played.

    Attributes:
        messages: The conversation, its opening included.
        reached: How many milestones were reached, after the reset and after every turn.
        verdict: None where it did not end.
        stop_reason: None where it did not end.
    """

    messages: tuple[Message, ...]
    reached: tuple[int, ...]
    verdict: Verdict | None
    stop_reason: StopReason | None


def subject_of(ref: EnvRef | str, oracle: Oracle | None, count: int) -> Subject:
    """An environment to be checked; its oracle is the known one where none is given.

    Raises:
        InputError: There is no such environment.
        TaskError: It has no tasks.
    """
    if isinstance(ref, str):
        ref = EnvRef(ref)
    env = make(ref)
    known, guess = _known(ref.id)
    tasks = pose(env, count)
    if not tasks:
        raise TaskError(f"{env.taskset.name} has no tasks in any split, so nothing can be checked")
    few = tuple(task for split in SPLITS for task in _of(tasks, split)[:_FEW])
    return Subject(ref, env, oracle or known, guess, count, tasks, few)


def pose(env: ToolEnv, count: int) -> tuple[Task, ...]:
    """The first tasks of every split."""
    posed: list[Task] = []
    for split in SPLITS:
        size = env.taskset.size(split)
        number = count if size is None else min(count, size)
        posed += [env.taskset.task(split, index) for index in range(number)]
    return tuple(posed)


def play(env: ToolEnv, task: Task, act: Oracle) -> Episode:
    """Play an episode to its end, or to the hundredth turn."""
    opening, info = env.reset(options={"task": task})
    messages, reached = list(opening), [info["milestones"]]
    for _ in range(_MOST_TURNS):
        action = act(messages)
        replies, _, terminated, truncated, info = env.step(action)
        messages += [action, *replies]
        reached.append(info["milestones"])
        if terminated or truncated:
            break
    return Episode(tuple(messages), tuple(reached), info["verdict"], info["stop_reason"])


def answering(text: str, oracle: Oracle | None = None) -> Oracle:
    """An agent that answers with a text, at once or as soon as the oracle would answer."""

    def act(messages: Sequence[Message]) -> Message:
        action = None if oracle is None else oracle(messages)
        return action if action and action.tool_calls else Message("assistant", text)

    return act


def _known(env_id: str) -> tuple[Oracle | None, Guess | None]:
    registered = oracle_of(env_id)
    try:
        family = family_of(env_id)
    except ConfigError:
        return registered, None
    return registered or family.oracle, family.guess


def _of(tasks: Sequence[Task], split: str) -> list[Task]:
    return [task for task in tasks if task.split == split]
