"""What travels between a served environment and its clients: actions, messages, ends, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reachgym.envs.errors import InputError
from reachgym.envs.types import (
    JSON,
    Message,
    StopReason,
    ToolCall,
    ToolResult,
    ToolSpec,
    Verdict,
)

_ACTION = '{"content": text, "tool_calls": [{"id": text, "name": text, "arguments": {...}}]}'
_ACTION_KEYS = frozenset({"content", "tool_calls", "metadata"})
_CALL_KEYS = frozenset({"arguments", "parse_error"})


def action_of(data: object) -> Message:
    """The assistant message that a client sent.

    Args:
        data: `{"content": ..., "tool_calls": [...]}`; either may be left out. `metadata`, which
            OpenEnv's actions carry, means nothing here.

    Raises:
        InputError: It is none.
    """
    if not isinstance(data, Mapping) or not data.keys() <= _ACTION_KEYS:
        raise InputError(f"expected an action {_ACTION}, got {_shown(data)}")
    content, calls = data.get("content", ""), data.get("tool_calls", [])
    if not isinstance(content, str) or not isinstance(calls, list):
        raise InputError(f"expected an action {_ACTION}, got {_shown(data)}")
    return Message("assistant", content, tuple(map(_call, calls)))


def _call(data: object) -> ToolCall:
    match data:
        case {"id": str(id_), "name": str(name), **rest} if rest.keys() <= _CALL_KEYS:
            arguments, error = rest.get("arguments", {}), rest.get("parse_error")
            if isinstance(arguments, dict) and (error is None or isinstance(error, str)):
                return ToolCall(id_, name, arguments, error)
    raise InputError(
        f"expected a tool call with a text `id`, a text `name` and an object `arguments`, got "
        f"{_shown(data)}"
    )


def form_of_action(action: Message) -> dict[str, JSON]:
    """An assistant message as `action_of` reads it."""
    return {
        "content": action.content,
        "tool_calls": [
            {
                "id": call.id,
                "name": call.name,
                "arguments": dict(call.arguments),
                "parse_error": call.parse_error,
            }
            for call in action.tool_calls
        ],
    }


def form_of_message(message: Message) -> dict[str, JSON]:
    """A message of the environment."""
    return {
        "role": message.role,
        "content": message.content,
        "tool_call_id": message.tool_call_id,
    }


def message_of(form: Mapping[str, Any]) -> Message:
    """The message of a form."""
    return Message(form["role"], form["content"], tool_call_id=form["tool_call_id"])


def form_of_tool(spec: ToolSpec) -> dict[str, JSON]:
    """A tool as the OpenAI function schema has it."""
    function: dict[str, JSON] = {
        "name": spec.name,
        "description": spec.description,
        "parameters": dict(spec.parameters),
    }
    return {"type": "function", "function": function}


def tool_of(form: Mapping[str, Any]) -> ToolSpec:
    """The tool of a form."""
    function = form["function"]
    return ToolSpec(function["name"], function["description"], function["parameters"])


def form_of_info(info: Mapping[str, Any]) -> dict[str, JSON]:
    """What `ToolEnv` tells the trainer beside a step."""
    results: Sequence[ToolResult] = info["results"]
    verdict: Verdict | None = info["verdict"]
    return {
        "task_id": info["task_id"],
        "results": [
            {
                "call_id": result.call_id,
                "content": result.content,
                "error": result.error,
                "truncated": result.truncated,
                "seconds": result.seconds,
            }
            for result in results
        ],
        "verdict": None
        if verdict is None
        else {
            "reward": verdict.reward,
            "passed": verdict.passed,
            "explanation": verdict.explanation,
            "guess": verdict.guess,
        },
        "stop_reason": info["stop_reason"],
        "milestones": info["milestones"],
    }


def info_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """The info of a form, in the types that `ToolEnv` gives."""
    verdict, reason = form["verdict"], form["stop_reason"]
    return {
        "task_id": form["task_id"],
        "results": tuple(ToolResult(**result) for result in form["results"]),
        "verdict": None if verdict is None else Verdict(**verdict),
        "stop_reason": None if reason is None else StopReason(reason),
        "milestones": form["milestones"],
    }


def _shown(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 80 else text[:79] + "…"
