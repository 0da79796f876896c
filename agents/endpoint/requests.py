"""From a conversation to the body of a request for its next turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from reachgym.agents.endpoint.dialects import dialect_of, sampling_fields
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import Request
from reachgym.envs.types import Message, ToolCall, ToolSpec

# Servers hold seeds in 32 bits, some with a sign.
_SEED_BITS = 2**31 - 1
# A call without a name is in no schema; servers refuse the history unless it has one.
_NAMELESS = "unknown"


class RequestWriter:
    """Writes the bodies of requests to one endpoint."""

    def __init__(self, settings: EndpointSettings) -> None:
        dialect = dialect_of(settings.server)
        self._bound, self._reasoning = dialect.bound, dialect.reasoning
        self._fixed: dict[str, Any] = {
            "model": settings.model,
            **sampling_fields(settings.server, settings.decoding),
            **settings.extra,
        }
        if settings.stream:
            self._fixed |= {"stream": True, "stream_options": {"include_usage": True}}

    def body(self, request: Request, most_tokens: int | None) -> bytes:
        """The request for the next turn.

        Args:
            request: The conversation, its tools and its seed.
            most_tokens: What the reply may take; None leaves it to the server.

        Returns:
            JSON in UTF-8; what UTF-8 cannot hold is replaced.
        """
        fields = self._fixed | {
            "messages": self._message_entries(request.conversation.messages),
            "seed": request.seed & _SEED_BITS,
        }
        if request.tools:
            fields["tools"] = tool_entries(request.tools)
        if most_tokens is not None:
            fields[self._bound] = most_tokens
        return _encode(fields)

    def _message_entries(self, messages: Sequence[Message]) -> list[Mapping[str, Any]]:
        """Messages with what was thought before calls, as tool loops of reasoning models need."""
        entries = [message_entry(message) for message in messages]
        if self._reasoning is None or not any(message.reasoning for message in messages):
            return entries
        # Also where it is empty: some servers refuse a history in which the field is missing.
        return [
            {**entry, self._reasoning: message.reasoning} if message.tool_calls else entry
            for entry, message in zip(entries, messages, strict=True)
        ]


def message_entry(message: Message) -> Mapping[str, Any]:
    """A message as the wire knows it, but for reasoning."""
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        # Templates write the text of a null, and of an empty text, as they were trained to.
        entry["content"] = message.content or None
        entry["tool_calls"] = [_call_entry(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    return entry


def tool_entries(tools: Sequence[ToolSpec]) -> list[Mapping[str, Any]]:
    """Tools as the wire knows them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


def _call_entry(call: ToolCall) -> Mapping[str, Any]:
    # Servers parse the arguments of the history, so a malformed call is shown with none; the tool
    # message behind it says what was wrong.
    arguments = _encode(dict(call.arguments)).decode()
    function = {"name": call.name or _NAMELESS, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _encode(value: Mapping[str, Any]) -> bytes:
    try:
        return to_json(value)
    except PydanticSerializationError:
        # A lone surrogate, from a tool that read one: the store writes a question mark, too.
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
