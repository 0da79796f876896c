"""Plain JSONL: one trajectory a line, all of it, equal when it is read again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from operator import attrgetter

from reachgym.agents.protocol import Completion, FinishReason, TokenCounts
from reachgym.envs.errors import EpisodeError
from reachgym.envs.types import Message, Role, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.formats.reading import (
    FieldError,
    an_object,
    flag,
    many,
    maybe,
    number,
    one_of,
    record,
    text,
    token,
    whole,
)
from reachgym.rollout.trajectory import AttemptKey, Failure, Timings, Trajectory, Turn, Usage

VERSION = 3
_ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")

_CALL = record(ToolCall, id=text, name=text, arguments=an_object, parse_error=maybe(text))
_MESSAGE = record(
    Message,
    role=one_of(_ROLES),
    content=text,
    tool_calls=many(_CALL),
    tool_call_id=maybe(text),
    reasoning=text,
)
_RESULT = record(ToolResult, call_id=text, content=text, error=flag, truncated=flag, seconds=number)
_COUNTS = record(TokenCounts, request_tokens=whole, sampled_tokens=whole)
_COMPLETION = record(
    Completion,
    message=_MESSAGE,
    finish=one_of(tuple(FinishReason)),
    prompt_ids=many(token),
    sampled_ids=many(token),
    logprobs=many(number),
    policy_version=whole,
    seconds=number,
    counts=maybe(_COUNTS),
)
_TURN = record(
    Turn, completion=_COMPLETION, results=many(_RESULT), replies=many(_MESSAGE), reward=number
)
_TRAJECTORY = record(
    Trajectory,
    key=record(AttemptKey, task_hash=text, seed=whole, policy=text, version=whole),
    task_id=text,
    family=text,
    split=text,
    env=text,
    policy_version=whole,
    opening=many(_MESSAGE),
    turns=many(_TURN),
    verdict=record(Verdict, reward=maybe(number), passed=maybe(flag), explanation=text, guess=flag),
    stop_reason=one_of(tuple(StopReason)),
    failure=maybe(record(Failure, kind=text, message=text)),
    sandbox=maybe(text),
    usage=record(Usage, **{field.name: whole for field in dataclasses.fields(Usage)}),
    timings=record(Timings, **{field.name: number for field in dataclasses.fields(Timings)}),
)


_KINDS = (
    AttemptKey,
    Completion,
    Failure,
    Message,
    Timings,
    TokenCounts,
    ToolCall,
    ToolResult,
    Trajectory,
    Turn,
    Usage,
    Verdict,
)
_NAMES = {kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in _KINDS}
_FIELDS: dict[type, tuple[tuple[str, ...], attrgetter[tuple[object, ...]]]] = {
    kind: (names, attrgetter(*names)) for kind, names in _NAMES.items()
}


def dump(trajectory: Trajectory) -> str:
    """The trajectory as one line of ASCII.

    Numbers that JSON does not know are written `NaN`, `Infinity` and `-Infinity`, as Python does.
    """
    return json.dumps({"reachgym": VERSION, **_plain(trajectory)}, default=_plain)


def load(value: object, where: str = "") -> Trajectory:
    """The trajectory that `dump` wrote, from the decoded line.

    Raises:
        FieldError: It is no such line, or one of another version.
    """
    row = dict(an_object(value, where))
    version = row.pop("reachgym", None)
    if version != VERSION:
        raise FieldError("reachgym", f"the format's version, {VERSION}", version)
    try:
        return _TRAJECTORY(row, where)
    except EpisodeError as error:
        raise FieldError("turns", "turns that can be", str(error)) from None


def _plain(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        return dict(value)
    names, values = _FIELDS[type(value)]
    return dict(zip(names, values(value), strict=True))
