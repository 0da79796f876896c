"""Episodes that checks play: by an oracle, blindly, or with calls drawn from the tools' schemas."""

from __future__ import annotations

import random
from collections.abc import Sequence

from reachgym.envs.errors import TaskError
from reachgym.envs.registration import Oracle
from reachgym.envs.tool_env import Info, ToolEnv
from reachgym.envs.types import JSON, SPLITS, Message, Split, Task, ToolCall, ToolSpec, Verdict

_MOST_TURNS = 100
_WORDS = ("alpha", "17", "the first one", "a/b", "zzz")


def posed(env: ToolEnv, tasks: int) -> list[Task]:
    """The first tasks of every split.

    Raises:
        TaskError: There are none.
    """
    first = [task for split in SPLITS for task in of_split(env, split, tasks)]
    if not first:
        raise TaskError(f"{env.taskset.name} has no tasks in any split, so nothing can be checked")
    return first


def of_split(env: ToolEnv, split: Split, tasks: int) -> list[Task]:
    """The first tasks of one split, fewer if it has fewer."""
    size = env.taskset.size(split)
    count = tasks if size is None else min(tasks, size)
    return [env.taskset.task(split, index) for index in range(count)]


def played(
    env: ToolEnv, task: Task, oracle: Oracle | None, answer: str | None = None
) -> tuple[list[Info], Verdict | None]:
    """An episode by an oracle, which gives `answer` once it would answer; without one, at once.

    Returns:
        The `info` of every turn, and the verdict; None if the oracle never answered.
    """
    opening, info = env.reset(options={"task": task})
    messages, infos = list(opening), [info]
    for _ in range(_MOST_TURNS):
        action = Message("assistant") if oracle is None else oracle(messages)
        if not action.tool_calls and answer is not None:
            action = Message("assistant", answer)
        replies, _, terminated, truncated, info = env.step(action)
        infos.append(info)
        if truncated:
            return infos, None
        if terminated:
            return infos, info["verdict"]
        messages += [action, *replies]
    return infos, None


def call_of(spec: ToolSpec, rng: random.Random, text: str | None = None) -> ToolCall:
    """A call that fits a tool's schema, its texts drawn or given."""
    properties = spec.parameters.get("properties")
    arguments = {
        name: _value(schema, rng, text)
        for name, schema in (properties.items() if isinstance(properties, dict) else ())
    }
    return ToolCall(f"call_{rng.getrandbits(32)}", spec.name, arguments)


def _value(schema: JSON, rng: random.Random, text: str | None) -> JSON:
    if not isinstance(schema, dict):
        return None
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return rng.choice(choices)
    drawn: dict[str, JSON] = {
        "integer": rng.randint(0, 99),
        "number": rng.random(),
        "boolean": rng.random() < 0.5,
        "array": [],
        "object": {},
        "null": None,
    }
    kind = schema.get("type")
    if isinstance(kind, str) and kind in drawn:
        return drawn[kind]
    return rng.choice(_WORDS) if text is None else text


def calls(*made: ToolCall) -> Message:
    """An action that calls tools."""
    return Message("assistant", tool_calls=made)


def named(*names: str) -> Message:
    """An action that calls tools without arguments."""
    return calls(*(ToolCall(f"call_{index}", name) for index, name in enumerate(names)))


def contents(messages: Sequence[Message]) -> list[str]:
    """What messages say."""
    return [message.content for message in messages]
