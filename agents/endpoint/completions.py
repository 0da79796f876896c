"""From a reply to a completion: its message, why it ended, and its tokens as a delta."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NoReturn

from reachgym.agents.endpoint.replies import RawCall, Reply
from reachgym.agents.protocol import (
    Completion,
    Conversation,
    FinishReason,
    Limits,
    TokenCounts,
)
from reachgym.envs.types import JSON, Message, ToolCall

_ADVICE = "give the arguments as one JSON object"
_FINISHED = frozenset({"stop", "tool_calls", "eos"})
_CUT = "length"


def is_finished(reply: Reply) -> bool:
    """Whether a reply ended as replies of models do, and not because the server broke it off."""
    return reply.finish_reason in _FINISHED or reply.finish_reason == _CUT


def completion_of(
    reply: Reply,
    conversation: Conversation,
    limits: Limits,
    *,
    redact: Callable[[str], str],
    seconds: float,
) -> Completion:
    """The completion that a reply stands for.

    It carries tokens only if the server gave the ids of the request, the sampled ids and their
    log-probabilities, and if the ids of the request go on from the ids of the history: a template
    that writes an earlier turn otherwise than it was sampled leaves the turn without ids, and it
    carries counts instead.

    Args:
        reply: What the server said.
        conversation: What it was asked to continue.
        limits: What the turn could spend.
        redact: Takes out of a text what must not be kept.
        seconds: How long it took.
    """
    turn = len(conversation.exchanges)
    taken = {call.id for message in conversation.messages for call in message.tool_calls}
    message = Message(
        "assistant",
        redact(reply.content),
        _tool_calls(reply.calls, turn, taken, redact),
        reasoning=redact(reply.reasoning),
    )
    finish = _finish(reply, limits)
    delta = _delta(reply, conversation)
    if delta is None or not reply.sampled_ids or reply.logprobs is None:
        return Completion(message, finish, seconds=seconds, counts=counts_of(reply))
    return Completion(message, finish, delta, reply.sampled_ids, reply.logprobs, seconds=seconds)


def token_history(conversation: Conversation) -> tuple[int, ...]:
    """The ids of a conversation up to its last sampled one."""
    ids: list[int] = []
    for exchange in conversation.exchanges:
        ids += exchange.completion.prompt_ids
        ids += exchange.completion.sampled_ids
    return tuple(ids)


def counts_of(reply: Reply) -> TokenCounts | None:
    """How many tokens a turn took, if the server lets it be known."""
    request = reply.prompt_tokens if reply.prompt_ids is None else len(reply.prompt_ids)
    sampled = reply.sampled_tokens if reply.sampled_ids is None else len(reply.sampled_ids)
    return None if request is None or sampled is None else TokenCounts(request, sampled)


def _finish(reply: Reply, limits: Limits) -> FinishReason:
    """Why it ended; a server says `length` of its own context as well as of what was asked."""
    cut, bound, counts = reply.finish_reason == _CUT, limits.action_tokens, counts_of(reply)
    if bound is not None and counts is not None and counts.sampled_tokens + cut > bound:
        return FinishReason.ACTION_TOKENS
    return FinishReason.CONTEXT_TOKENS if cut else FinishReason.STOP


def _delta(reply: Reply, conversation: Conversation) -> tuple[int, ...] | None:
    if reply.prompt_ids is None or reply.sampled_ids is None or reply.logprobs is None:
        return None
    if len(reply.logprobs) != len(reply.sampled_ids):
        return None
    history = token_history(conversation)
    if reply.prompt_ids[: len(history)] != history:
        return None
    return reply.prompt_ids[len(history) :]


def _tool_calls(
    calls: Sequence[RawCall], turn: int, taken: set[str], redact: Callable[[str], str]
) -> tuple[ToolCall, ...]:
    parsed: list[ToolCall] = []
    for index, call in enumerate(calls):
        # The server's own id stays where it can: some templates write it, and some count on it.
        call_id = redact(call.id)
        if not call_id or call_id in taken:
            # Nine letters and digits, which is what the strictest servers ask of an id.
            call_id = f"call{turn:03}{index:02}"
        taken.add(call_id)
        parsed.append(_tool_call(call_id, redact(call.name), redact(call.arguments)))
    return tuple(parsed)


def _tool_call(call_id: str, name: str, text: str) -> ToolCall:
    if not name:
        return ToolCall(call_id, "", parse_error=f"the call has no name; {_ADVICE}")
    if not text.strip():
        # A call of a tool without parameters.
        return ToolCall(call_id, name)
    try:
        arguments: JSON = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(arguments, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        problem = f"the arguments are not valid JSON: {error}; {_ADVICE}"
        return ToolCall(call_id, name, parse_error=problem)
    if not isinstance(arguments, dict):
        problem = f"the arguments are not a JSON object; {_ADVICE}"
        return ToolCall(call_id, name, parse_error=problem)
    return ToolCall(call_id, name, arguments)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
