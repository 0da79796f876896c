"""Trajectories to rows of an Arrow table and back, exactly; deltas only, one row an attempt."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TypeVar

import numpy as np
import pyarrow as pa

from reachgym.agents.protocol import Completion, FinishReason, TokenCounts
from reachgym.envs.types import Message, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.trajectory import AttemptKey, Failure, Timings, Trajectory, Turn, Usage

T = TypeVar("T")

_CALL = pa.struct(
    {"id": pa.string(), "name": pa.string(), "arguments": pa.string(), "parse_error": pa.string()}
)
_MESSAGE = pa.struct(
    {
        "role": pa.string(),
        "content": pa.string(),
        "tool_calls": pa.list_(_CALL),
        "tool_call_id": pa.string(),
        "reasoning": pa.string(),
    }
)
_RESULT = pa.struct(
    {
        "call_id": pa.string(),
        "content": pa.string(),
        "error": pa.bool_(),
        "truncated": pa.bool_(),
        "seconds": pa.float64(),
    }
)
_TURN = pa.struct(
    {
        "message": _MESSAGE,
        "finish": pa.string(),
        "prompt_ids": pa.list_(pa.int32()),
        "sampled_ids": pa.list_(pa.int32()),
        "logprobs": pa.list_(pa.float64()),
        "policy_version": pa.int64(),
        "seconds": pa.float64(),
        "request_tokens": pa.int64(),
        "sampled_tokens": pa.int64(),
        "results": pa.list_(_RESULT),
        "replies": pa.list_(_MESSAGE),
        "reward": pa.float64(),
    }
)
_USAGE = [field.name for field in fields(Usage)]
_TIMINGS = [field.name for field in fields(Timings)]
# `turns` is the column of the turns themselves.
_USAGE_COLUMN = {"turns": "turn_count"}
_usage_values = attrgetter(*_USAGE)
_timing_values = attrgetter(*_TIMINGS)

KEY_COLUMNS = ("task_hash", "seed", "policy", "version")
SCHEMA = pa.schema(
    [
        ("task_hash", pa.string()),
        ("seed", pa.int64()),
        ("policy", pa.string()),
        ("version", pa.int64()),
        ("task_id", pa.string()),
        ("family", pa.string()),
        ("split", pa.string()),
        ("env", pa.string()),
        ("policy_version", pa.int64()),
        ("reward", pa.float64()),
        ("passed", pa.bool_()),
        ("guess", pa.bool_()),
        ("explanation", pa.string()),
        ("stop_reason", pa.string()),
        ("failure_kind", pa.string()),
        ("failure_message", pa.string()),
        ("sandbox", pa.string()),
        *[(_USAGE_COLUMN.get(name, name), pa.int64()) for name in _USAGE],
        *[(name, pa.float64()) for name in _TIMINGS],
        ("opening", pa.list_(_MESSAGE)),
        ("turns", pa.list_(_TURN)),
    ]
)


def encode(trajectories: Iterable[Trajectory]) -> pa.Table:
    """One row a trajectory, with the columns of `SCHEMA`."""
    rows = list(trajectories)
    keys = [row.key for row in rows]
    verdicts = [row.verdict for row in rows]
    failures = [row.failure for row in rows]
    columns = [
        _strings([key.task_hash for key in keys]),
        [key.seed for key in keys],
        _strings([key.policy for key in keys]),
        [key.version for key in keys],
        _strings([row.task_id for row in rows]),
        _strings([row.family for row in rows]),
        _strings([row.split for row in rows]),
        _strings([row.env for row in rows]),
        [row.policy_version for row in rows],
        [verdict.reward for verdict in verdicts],
        [verdict.passed for verdict in verdicts],
        [verdict.guess for verdict in verdicts],
        _strings([verdict.explanation for verdict in verdicts]),
        _strings([row.stop_reason for row in rows]),
        _strings([None if failure is None else failure.kind for failure in failures]),
        _strings([None if failure is None else failure.message for failure in failures]),
        _strings([row.sandbox for row in rows]),
        *_transposed([_usage_values(row.usage) for row in rows], len(_USAGE)),
        *_transposed([_timing_values(row.timings) for row in rows], len(_TIMINGS)),
        _lists([row.opening for row in rows], _messages),
        _lists([row.turns for row in rows], _turns),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def decode(table: pa.Table) -> Iterator[Trajectory]:
    """The trajectories of a table whose columns are those of `SCHEMA`."""
    if not table.num_rows:
        return
    column = {field.name: table[field.name].combine_chunks() for field in SCHEMA}
    openings = _unlist(column.pop("opening"), _read_messages)
    turns = _unlist(column.pop("turns"), _read_turns)
    plain = {name: values.to_pylist() for name, values in column.items()}
    usages = map(Usage, *(plain.pop(_USAGE_COLUMN.get(name, name)) for name in _USAGE))
    timings = map(Timings, *(plain.pop(name) for name in _TIMINGS))
    names = list(plain)
    rows = (dict(zip(names, values, strict=True)) for values in zip(*plain.values(), strict=True))
    for row, opening, taken, usage, timing in zip(
        rows, openings, turns, usages, timings, strict=True
    ):
        kind = row["failure_kind"]
        yield Trajectory(
            key=AttemptKey(*(row[name] for name in KEY_COLUMNS)),
            task_id=row["task_id"],
            family=row["family"],
            split=row["split"],
            env=row["env"],
            policy_version=row["policy_version"],
            opening=opening,
            turns=taken,
            verdict=Verdict(row["reward"], row["passed"], row["explanation"], row["guess"]),
            stop_reason=StopReason(row["stop_reason"]),
            failure=None if kind is None else Failure(kind, row["failure_message"]),
            sandbox=row["sandbox"],
            usage=usage,
            timings=timing,
        )


def keys_of(table: pa.Table) -> Iterator[AttemptKey]:
    """The identity of every row."""
    return map(AttemptKey, *(table[name].to_pylist() for name in KEY_COLUMNS))


def _turns(turns: Sequence[Turn]) -> pa.StructArray:
    completions = [turn.completion for turn in turns]
    counts = [completion.counts for completion in completions]
    return _struct(
        _TURN,
        _messages([completion.message for completion in completions]),
        _strings([completion.finish for completion in completions]),
        _lists([completion.prompt_ids for completion in completions], _ids),
        _lists([completion.sampled_ids for completion in completions], _ids),
        _lists([completion.logprobs for completion in completions], _floats),
        pa.array([completion.policy_version for completion in completions], pa.int64()),
        _floats([completion.seconds for completion in completions]),
        pa.array([count and count.request_tokens for count in counts], pa.int64()),
        pa.array([count and count.sampled_tokens for count in counts], pa.int64()),
        _lists([turn.results for turn in turns], _results),
        _lists([turn.replies for turn in turns], _messages),
        _floats([turn.reward for turn in turns]),
    )


def _messages(messages: Sequence[Message]) -> pa.StructArray:
    return _struct(
        _MESSAGE,
        _strings([message.role for message in messages]),
        _strings([message.content for message in messages]),
        _lists([message.tool_calls for message in messages], _calls),
        _strings([message.tool_call_id for message in messages]),
        _strings([message.reasoning for message in messages]),
    )


def _calls(calls: Sequence[ToolCall]) -> pa.StructArray:
    return _struct(
        _CALL,
        _strings([call.id for call in calls]),
        _strings([call.name for call in calls]),
        _strings([json.dumps(dict(call.arguments)) for call in calls]),
        _strings([call.parse_error for call in calls]),
    )


def _results(results: Sequence[ToolResult]) -> pa.StructArray:
    return _struct(
        _RESULT,
        _strings([result.call_id for result in results]),
        _strings([result.content for result in results]),
        pa.array([result.error for result in results], pa.bool_()),
        pa.array([result.truncated for result in results], pa.bool_()),
        _floats([result.seconds for result in results]),
    )


def _read_turns(array: pa.StructArray) -> list[Turn]:
    part = _parts(array)
    completions = map(
        Completion,
        _read_messages(part["message"]),
        map(FinishReason, part["finish"].to_pylist()),
        _unlist(part["prompt_ids"], pa.Array.to_pylist),
        _unlist(part["sampled_ids"], pa.Array.to_pylist),
        _unlist(part["logprobs"], pa.Array.to_pylist),
        part["policy_version"].to_pylist(),
        part["seconds"].to_pylist(),
        map(_counts, part["request_tokens"].to_pylist(), part["sampled_tokens"].to_pylist()),
    )
    results = _unlist(part["results"], _read_results)
    replies = _unlist(part["replies"], _read_messages)
    return list(map(Turn, completions, results, replies, part["reward"].to_pylist()))


def _counts(request: int | None, sampled: int | None) -> TokenCounts | None:
    return None if request is None or sampled is None else TokenCounts(request, sampled)


def _read_messages(array: pa.StructArray) -> list[Message]:
    part = _parts(array)
    calls = _unlist(part["tool_calls"], _read_calls)
    names = ("role", "content", "tool_call_id", "reasoning")
    roles, contents, call_ids, thoughts = (part[name].to_pylist() for name in names)
    return list(map(Message, roles, contents, calls, call_ids, thoughts))


def _read_calls(array: pa.StructArray) -> list[ToolCall]:
    ids, names, arguments, errors = (part.to_pylist() for part in array.flatten())
    return list(map(ToolCall, ids, names, map(json.loads, arguments), errors))


def _read_results(array: pa.StructArray) -> list[ToolResult]:
    return list(map(ToolResult, *(part.to_pylist() for part in array.flatten())))


def _strings(values: Sequence[str | None]) -> pa.StringArray:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # A lone surrogate is no Unicode text, and one must not cost the other rows.
        clean = [v and v.encode("utf-8", "replace").decode() for v in values]
        return pa.array(clean, pa.string())


def _ids(values: Sequence[int]) -> pa.Int32Array:
    return pa.array(values, pa.int32())


def _floats(values: Sequence[float]) -> pa.DoubleArray:
    return pa.array(values, pa.float64())


def _struct(of: pa.StructType, *arrays: pa.Array) -> pa.StructArray:
    return pa.StructArray.from_arrays(arrays, fields=list(of))


def _lists(
    groups: Sequence[Sequence[T]], encode_values: Callable[[Sequence[T]], pa.Array]
) -> pa.ListArray:
    offsets = np.zeros(len(groups) + 1, np.int32)
    np.cumsum([len(group) for group in groups], out=offsets[1:])
    values = encode_values([value for group in groups for value in group])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _unlist(array: pa.ListArray, read_values: Callable[[pa.Array], list[T]]) -> list[tuple[T, ...]]:
    bounds = array.offsets.to_pylist()
    values = read_values(array.values)
    return [tuple(values[a:b]) for a, b in itertools.pairwise(bounds)]


def _parts(array: pa.StructArray) -> dict[str, pa.Array]:
    names = [field.name for field in array.type]
    return dict(zip(names, array.flatten(), strict=True))


def _transposed(rows: Sequence[tuple[T, ...]], width: int) -> list[Sequence[T]]:
    # Without rows there still are columns.
    return list(zip(*rows, strict=True)) if rows else [()] * width
