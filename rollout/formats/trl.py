"""Environments for TRL's GRPOTrainer: an `environment_factory`, its rows and its reward.

TRL runs one call after another and never tells an environment the final answer. So each call is a
turn of its own here, and the reward function, which sees the whole completion, hands the answer in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reachgym.envs.errors import InfrastructureError, InputError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.types import JSON, Message, Split, StopReason, ToolCall, ToolSpec

_OVER = "the episode is over: its budget is spent"
_TYPES: Mapping[JSON, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


class TRLEnvironment:
    """One episode at a time of an environment; its tools are methods of a subclass.

    TRL takes every public method for a tool, `reset` and `get_reward` aside.
    """

    def __init__(self, ref: EnvRef) -> None:
        self._env = make(ref)
        self._turn = 0
        self._reward: float | None = None
        self._over = True

    def reset(self, *, split: Split, index: int, **_: object) -> None:
        """Start the episode of a row that `rows` made."""
        self._env.reset(options={"split": split, "index": index})
        self._turn, self._reward, self._over = 0, None, False

    def _call(self, name: str, arguments: Mapping[str, JSON]) -> str:
        if self._over:
            return _OVER
        self._turn += 1
        call = ToolCall(f"call_{self._turn}", name, arguments)
        # Should the tool break, the attempt stays without a reward.
        self._over = True
        replies, reward, terminated, truncated, _ = self._env.step(
            Message("assistant", tool_calls=(call,))
        )
        self._over = terminated or truncated
        self._reward = float(reward) if self._over else None
        return replies[0].content

    def _finish(self, completion: Sequence[Mapping[str, Any]]) -> float | None:
        """The reward of a completion: its last message, if it makes no call, is the answer."""
        if not self._over:
            self._over = True
            try:
                self._reward = self._answer(completion)
            except InfrastructureError:
                self._reward = None
        return self._reward

    def _answer(self, completion: Sequence[Mapping[str, Any]]) -> float | None:
        last: Mapping[str, Any] = completion[-1] if completion else {}
        if last.get("role") != "assistant" or last.get("tool_calls"):
            return self._env.stop(StopReason.ACTION_TOKENS).reward
        _, reward, *_ = self._env.step(Message("assistant", last.get("content") or ""))
        return float(reward)


def environment_factory(ref: EnvRef) -> Callable[[], TRLEnvironment]:
    """What `GRPOTrainer(environment_factory=...)` takes, for a registered environment.

    Raises:
        InputError: There is no such environment, or a tool of it has a name that TRL would not
            show as a tool.
    """
    env = make(ref)
    for tool in env.tool_specs:
        if tool.name in ("reset", "get_reward") or tool.name.startswith("_"):
            raise InputError(f"TRL takes no tool named '{tool.name}'; rename it")
    methods = {tool.name: _method(tool) for tool in env.tool_specs}
    env.close()
    kind = type("ReachgymEnvironment", (TRLEnvironment,), methods)
    return lambda: kind(ref)


def rows(ref: EnvRef, split: Split, count: int) -> list[dict[str, Any]]:
    """The first `count` tasks of a split as rows of a `train_dataset`; no gold answer is in them.

    Raises:
        InputError: There is no such environment, split or task.
    """
    env = make(ref)
    made = []
    for index in range(count):
        opening, _ = env.reset(options={"split": split, "index": index})
        prompt = [{"role": message.role, "content": message.content} for message in opening]
        made.append({"prompt": prompt, "split": split, "index": index})
    env.close()
    return made


def episode_reward(
    completions: Sequence[Sequence[Mapping[str, Any]]],
    environments: Sequence[TRLEnvironment],
    **_: object,
) -> list[float | None]:
    """What `GRPOTrainer(reward_funcs=...)` takes: the environments' own verdicts.

    None where a tool or the verifier failed by itself; TRL then leaves the completion out.
    """
    pairs = zip(completions, environments, strict=True)
    return [environment._finish(completion) for completion, environment in pairs]


def _method(tool: ToolSpec) -> Callable[..., str]:
    """A method whose signature and docstring say what the tool's schema says."""

    def call(self: TRLEnvironment, **arguments: JSON) -> str:
        return self._call(tool.name, arguments)

    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    described = properties if isinstance(properties, dict) else {}
    needed = required if isinstance(required, list) else []
    hints = {name: _hint(schema) for name, schema in described.items()}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if name in needed else None,
            annotation=hint,
        )
        for name, hint in hints.items()
    ]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__name__ = call.__qualname__ = tool.name
    call.__doc__ = _docstring(tool, described)
    call.__annotations__ = {**hints, "return": str}
    # What transformers makes a tool's schema of.
    vars(call)["__signature__"] = inspect.Signature([this, *parameters], return_annotation=str)
    return call


def _hint(schema: JSON) -> Any:  # noqa: ANN401 - a type, or Any where the schema names none
    return _TYPES.get(schema.get("type"), Any) if isinstance(schema, dict) else Any


def _docstring(tool: ToolSpec, described: Mapping[str, JSON]) -> str:
    lines = [_one_line(tool.description) or tool.name]
    for index, (name, schema) in enumerate(described.items()):
        told = schema.get("description") if isinstance(schema, dict) else None
        lines += ["", "Args:"] if index == 0 else []
        lines.append(f"    {name}: {_one_line(str(told or name))}")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
