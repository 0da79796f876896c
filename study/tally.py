"""Counts of stored attempts, task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from reachgym.envs.types import JSON, Task


@dataclass(frozen=True, slots=True)
class Tally:
    """How the attempts at one task ended.

    Attributes:
        n: Scored.
        c: Solved.
        guesses: Right without the evidence, and so not solved.
        truncated: Ended by a budget.
        failed: Unscored, because infrastructure failed.
        tool_calls: Made in all of them.
        action_tokens: Sampled in all of them.
    """

    n: int = 0
    c: int = 0
    guesses: int = 0
    truncated: int = 0
    failed: int = 0
    tool_calls: int = 0
    action_tokens: int = 0


def tallies(summary: pa.Table, seeds: Sequence[int]) -> dict[str, Tally]:
    """By task hash, from the rows of a store's summary whose attempts have these seeds."""
    summary = summary.filter(pc.is_in(summary["seed"], pa.array(seeds, summary["seed"].type)))
    ended = pa.array(["answered", "failed"])
    columns = {
        "n": pc.is_valid(summary["passed"]),
        "c": pc.fill_null(summary["passed"], False),
        "guesses": pc.fill_null(summary["guess"], False),
        "truncated": pc.invert(pc.is_in(summary["stop_reason"], ended)),
        "failed": pc.is_null(summary["passed"]),
        "tool_calls": summary["tool_calls"],
        "action_tokens": summary["action_tokens"],
    }
    counted = {name: pc.cast(value, pa.int64()) for name, value in columns.items()}
    table = pa.table({"task_hash": summary["task_hash"], **counted})
    grouped = table.group_by("task_hash").aggregate([(name, "sum") for name in columns])
    return {
        row["task_hash"]: Tally(**{name: row[f"{name}_sum"] for name in columns})
        for row in grouped.to_pylist()
    }


def count_row(task: Task, first: Tally, last: Tally, *, adaptive: bool) -> dict[str, JSON]:
    """What a stage records of a task: the first draws, and all where some could be added."""
    return {
        "family": task.family,
        "task": task.id,
        "chance": task.chance,
        "n": first.n,
        "c": first.c,
        "drawn": last.n if adaptive else 0,
        "solved": last.c if adaptive else 0,
        "guesses": last.guesses,
        "truncated": last.truncated,
        "failed": last.failed,
        "tool_calls": last.tool_calls,
        "action_tokens": last.action_tokens,
    }
