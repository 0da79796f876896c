"""A trajectory as the page is told of it; nothing in it is longer than a page can show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

from reachgym.envs.types import JSON, Message, ToolCall, ToolResult
from reachgym.rollout.trajectory import Failure, Trajectory, Turn
from reachgym.study.viewer.stores import env_spec
from reachgym.study.viewer.tokens import TokenTexts

MOST_CHARACTERS = 100_000


def episode_record(
    row: Mapping[str, JSON], trajectory: Trajectory, siblings: list[JSON], texts: TokenTexts
) -> dict[str, JSON]:
    """All of an episode; `row` is its line in the list."""
    name, kwargs = env_spec(trajectory.env)
    verdict = trajectory.verdict
    timings = {key: finite(value) for key, value in asdict(trajectory.timings).items()}
    return {
        "row": dict(row),
        "env_spec": {"id": name, "kwargs": _clean(kwargs)},
        "sandbox": trajectory.sandbox,
        "opening": [_message(message) for message in trajectory.opening],
        "turns": [
            _turn(turn, texts.of(turn.completion, number))
            for number, turn in enumerate(trajectory.turns)
        ],
        "verdict": {
            "reward": finite(verdict.reward),
            "passed": verdict.passed,
            "explanation": _cut(verdict.explanation)[0],
        },
        "failure": _failure(trajectory.failure),
        "usage": asdict(trajectory.usage),
        "timings": {**timings},
        "siblings": siblings,
    }


def finite(number: float | None) -> float | None:
    """A number that JSON knows, or None."""
    return number if number is not None and math.isfinite(number) else None


def as_json(value: JSON | dict[str, JSON]) -> bytes:
    """JSON in ASCII, so that no text in it, lone surrogates included, is one that has no bytes."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _failure(failure: Failure | None) -> JSON:
    if failure is None:
        return None
    return {"kind": failure.kind, "message": _cut(failure.message)[0]}


def _turn(turn: Turn, texts: list[str | None]) -> JSON:
    completion = turn.completion
    content, cut = _cut(completion.message.content)
    reasoning, reasoning_cut = _cut(completion.message.reasoning)
    logprobs: list[float | None] = [finite(value) for value in completion.logprobs]
    logprobs += [None] * (len(completion.sampled_ids) - len(logprobs))
    tokens: list[JSON] = [
        {"text": text, "id": number, "logprob": logprob}
        for text, number, logprob in zip(texts, completion.sampled_ids, logprobs, strict=False)
    ]
    return {
        "content": content,
        "reasoning": reasoning,
        "cut": cut + reasoning_cut,
        "calls": [_call(call) for call in completion.message.tool_calls],
        "results": [_result(result) for result in turn.results],
        "replies": [_message(message) for message in turn.replies],
        "reward": finite(turn.reward),
        "finish": completion.finish.value,
        "seconds": finite(completion.seconds),
        "version": completion.policy_version,
        "tokens": tokens,
    }


def _message(message: Message) -> JSON:
    content, cut = _cut(message.content)
    return {"role": message.role, "content": content, "cut": cut}


def _call(call: ToolCall) -> JSON:
    # Told as JSON text, which may hold what JSON itself does not know, such as NaN.
    arguments, cut = _cut(json.dumps(dict(call.arguments), ensure_ascii=False, indent=1))
    return {
        "id": call.id,
        "name": call.name,
        "arguments": arguments,
        "cut": cut,
        "parse_error": call.parse_error and _cut(call.parse_error)[0],
    }


def _result(result: ToolResult) -> JSON:
    content, cut = _cut(result.content)
    return {
        "call_id": result.call_id,
        "content": content,
        "cut": cut,
        "error": result.error,
        "truncated": result.truncated,
        "seconds": finite(result.seconds),
    }


def _cut(text: str) -> tuple[str, int]:
    """The beginning of a text, and how many characters were left out."""
    return text[:MOST_CHARACTERS], max(0, len(text) - MOST_CHARACTERS)


def _clean(value: object) -> JSON:
    """The same value with null for the numbers that JSON does not know."""
    match value:
        case float():
            return finite(value)
        case dict():
            return {str(key): _clean(part) for key, part in value.items()}
        case list():
            return [_clean(part) for part in value]
        case str() | int() | None:
            return value
        case _:
            return str(value)
