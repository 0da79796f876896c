"""The parser of Hermes and Qwen calls, `<tool_call>{json}</tool_call>`."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from reachgym.envs.types import JSON, Message, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_THOUGHT_END = "</think>"
_ADVICE = 'write <tool_call>{"name": NAME, "arguments": {...}}</tool_call>'


def parse_hermes(text: str, turn: int) -> Message:
    """The message that a turn's text spells.

    Calls are looked for after the last `</think>` only, so that a call which is merely thought
    about is not run. The text around the calls, thoughts included, stays in the content.

    Args:
        text: What the model wrote, without its stop token.
        turn: The turn's number; part of the call ids.
    """
    cut = text.rfind(_THOUGHT_END) + len(_THOUGHT_END) if _THOUGHT_END in text else 0
    thought, said = text[:cut], text[cut:]
    calls = tuple(
        _parse_call(match.group(1).strip(), f"call_{turn}_{index}")
        for index, match in enumerate(_CALL.finditer(said))
    )
    return Message("assistant", (thought + _CALL.sub("", said)).strip(), calls)


def _parse_call(text: str, call_id: str) -> ToolCall:
    try:
        call = _loads(text)
    except (ValueError, RecursionError) as error:
        return ToolCall(call_id, "", parse_error=f"the call is not valid JSON: {error}; {_ADVICE}")
    if not isinstance(call, dict):
        return ToolCall(call_id, "", parse_error=f"the call is not a JSON object; {_ADVICE}")
    name = call.get("name")
    if not isinstance(name, str) or not name:
        return ToolCall(call_id, "", parse_error=f"the call has no name; {_ADVICE}")
    return _with_arguments(call_id, name, call.get("arguments", {}))


def _with_arguments(call_id: str, name: str, arguments: JSON) -> ToolCall:
    if isinstance(arguments, str):
        try:
            arguments = _loads(arguments)
        except (ValueError, RecursionError) as error:
            message = f"the arguments are not valid JSON: {error}; {_ADVICE}"
            return ToolCall(call_id, name, parse_error=message)
    if not isinstance(arguments, dict):
        message = f"the arguments are not a JSON object; {_ADVICE}"
        return ToolCall(call_id, name, parse_error=message)
    return ToolCall(call_id, name, arguments)


def _loads(text: str) -> JSON:
    """JSON by the letter: no NaN, and no text that UTF-8 cannot hold.

    Raises:
        ValueError: The text is not such JSON.
        RecursionError: It is nested too deeply.
    """
    value: JSON = json.loads(text, parse_constant=_refuse_constant)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
