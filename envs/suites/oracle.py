"""What the families' oracles share: reading a conversation, writing a call or an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reachgym.envs.types import JSON, Message, ToolCall


def prompt_of(messages: Sequence[Message]) -> str:
    """The task's prompt."""
    return next(message.content for message in messages if message.role == "user")


def tool_outputs(messages: Sequence[Message]) -> list[str]:
    """What the tools answered so far, in order."""
    return [message.content.strip() for message in messages if message.role == "tool"]


def call_tool(messages: Sequence[Message], name: str, arguments: Mapping[str, JSON]) -> Message:
    """A turn that calls one tool."""
    turn = sum(message.role == "assistant" for message in messages)
    return Message("assistant", tool_calls=(ToolCall(f"call_{turn}_0", name, arguments),))


def answer(text: str) -> Message:
    """A turn that gives the final answer."""
    return Message("assistant", text)
