"""Conversations for TRL's SFTTrainer: a line of `messages` and `tools` for each attempt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from reachgym.agents.protocol import Completion, Conversation, Exchange
from reachgym.envs.errors import StoreError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.types import JSON, Message, StopReason, ToolCall, ToolResult, ToolSpec, Verdict
from reachgym.rollout.formats.reading import (
    FieldError,
    Reader,
    an_object,
    many,
    maybe,
    one_of,
    text,
)
from reachgym.rollout.formats.recorded import recorded_env
from reachgym.rollout.trajectory import AttemptKey, Trajectory, Turn, Usage

POLICY = "imported"
FAMILY = "imported"


def dump(trajectory: Trajectory) -> str | None:
    """The attempt as one line; None where it cannot be shown as it was.

    That is an attempt that failed or made no turn, and one with a call that could not be parsed or
    that has a number in it that JSON does not know.
    `tools` is JSON text, as TRL takes it beside lists: columns of one file need one type, and
    schemas have many. The arguments of calls are objects, as chat templates want them.

    Raises:
        InputError: The environment, which knows the tools, is not to be had here.
    """
    messages = _flat(trajectory)
    calls = [call for message in messages for call in message.tool_calls]
    if trajectory.failure or not trajectory.turns or any(call.parse_error for call in calls):
        return None
    names = {call.id: call.name for call in calls}
    row = {
        "messages": [_entry(message, names) for message in messages],
        "tools": _tools(trajectory.env),
    }
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return None


class Importer:
    """Makes attempts of lines; the order of equal conversations tells them apart."""

    def __init__(self) -> None:
        self._lines = 0

    def load(self, value: object, where: str = "") -> Trajectory:
        """The line's conversation as an attempt without tokens, verdict or task.

        Raises:
            FieldError: The line is no conversation of `messages` and, perhaps, `tools`.
        """
        row = an_object(value, where)
        messages = many(_message)(row.get("messages"), "messages")
        opening, turns = _split(messages)
        seed, self._lines = self._lines, self._lines + 1
        asked = json.dumps([[message.role, message.content] for message in opening])
        task_hash = hashlib.sha256(asked.encode()).hexdigest()[:16]
        return Trajectory(
            key=AttemptKey(task_hash, seed, POLICY),
            task_id=task_hash,
            family=FAMILY,
            split="train",
            env=recorded_env(tuple(_read_tools(row.get("tools")))).text,
            policy_version=0,
            opening=opening,
            turns=turns,
            verdict=Verdict(None, None, "imported without a verdict"),
            stop_reason=_stop_reason(messages[-1]),
            usage=Usage(turns=len(turns), tool_calls=sum(len(turn.results) for turn in turns)),
        )


def _flat(trajectory: Trajectory) -> tuple[Message, ...]:
    exchanges = tuple(Exchange(turn.completion, turn.replies) for turn in trajectory.turns)
    return Conversation(trajectory.opening, exchanges).messages


@lru_cache(maxsize=64)
def _tools(spec: str) -> str:
    try:
        told = json.loads(spec)
        ref = EnvRef(told["id"], told["kwargs"])
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"expected an environment as {{'id': ..., 'kwargs': ...}}; got {spec}"
        ) from None
    env = make(ref)
    env.close()
    return json.dumps([_schema(tool) for tool in env.tool_specs])


def _schema(tool: ToolSpec) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _entry(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        entry["reasoning_content"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
        if message.tool_call_id in names:
            entry["name"] = names[message.tool_call_id]
    return entry


def _message(value: object, where: str) -> Message:
    entry = an_object(value, where)
    role: Reader[Any] = one_of(("system", "user", "assistant", "tool"))
    content = maybe(text)(entry.get("content"), f"{where}.content") or ""
    calls = maybe(many(_call))(entry.get("tool_calls"), f"{where}.tool_calls") or ()
    call_id = maybe(text)(entry.get("tool_call_id"), f"{where}.tool_call_id")
    reasoning = maybe(text)(entry.get("reasoning_content"), f"{where}.reasoning_content") or ""
    return Message(role(entry.get("role"), f"{where}.role"), content, calls, call_id, reasoning)


def _call(value: object, where: str) -> ToolCall:
    entry = an_object(value, where)
    function = an_object(entry.get("function"), f"{where}.function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _decoded(arguments, f"{where}.function.arguments")
    return ToolCall(
        maybe(text)(entry.get("id"), f"{where}.id") or "",
        text(function.get("name"), f"{where}.function.name"),
        an_object(arguments, f"{where}.function.arguments"),
    )


def _split(messages: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[Turn, ...]]:
    """What stands before the first assistant message, and a turn from each of those on."""
    starts = [index for index, message in enumerate(messages) if message.role == "assistant"]
    if not starts:
        raise FieldError("messages", "at least one assistant message", [])
    ends = [*starts[1:], len(messages)]
    turns = tuple(
        _turn(messages[a], messages[a + 1 : b]) for a, b in zip(starts, ends, strict=True)
    )
    return tuple(messages[: starts[0]]), turns


def _stop_reason(last: Message) -> StopReason:
    answered = last.role == "assistant" and not last.tool_calls
    return StopReason.ANSWERED if answered else StopReason.TURNS


def _turn(said: Message, replies: Sequence[Message]) -> Turn:
    results = tuple(
        ToolResult(reply.tool_call_id or "", reply.content)
        for reply in replies
        if reply.role == "tool"
    )
    return Turn(Completion(said), results, tuple(replies))


def _read_tools(value: object) -> Iterator[ToolSpec]:
    if isinstance(value, str):
        value = _decoded(value, "tools")
    for index, tool in enumerate(maybe(many(an_object))(value, "tools") or ()):
        where = f"tools[{index}].function"
        function = an_object(tool.get("function"), where)
        yield ToolSpec(
            text(function.get("name"), f"{where}.name"),
            maybe(text)(function.get("description"), f"{where}.description") or "",
            an_object(function.get("parameters") or {}, f"{where}.parameters"),
        )


def _decoded(value: str, where: str) -> JSON:
    try:
        decoded: JSON = json.loads(value)
    except ValueError:
        raise FieldError(where, "JSON text", value) from None
    return decoded
