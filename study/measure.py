"""Attempts at held-out tasks, kept and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from reachgym.envs.types import JSON, Split
from reachgym.rollout.episode import Attempt
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.config import InterfaceConfig
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.plan import Advance

# Attempts handed to the fleet at once: enough to fill its slots many times over, few enough that
# progress is seen and a shard of the store stays small.
_PORTION = 8192


@dataclass(frozen=True, slots=True)
class Draws:
    """How many attempts to make of how many tasks of one family."""

    family: str
    split: Split
    tasks: int
    attempts: int


def measure(
    families: Families,
    draws: list[Draws],
    interface: InterfaceConfig,
    policy: str,
    checkpoint: Path,
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that makes attempts and records, per task, how many there were and how they ended."""

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        advance(0.0, "loading the policy")
        lane.load(checkpoint)
        store = TrajectoryStore(stage / "trajectories")
        attempts = list(_attempts(families, draws, interface, policy))
        made = 0
        for start in range(0, len(attempts), _PORTION):
            for table in lane.tables(attempts[start : start + _PORTION]):
                store.append_table(table)
                made += table.num_rows
                advance(made / len(attempts), f"{made:,} of {len(attempts):,} attempts")
        chances = {attempt.task.hash: attempt.task.chance for attempt in attempts}
        return {"counts": _count(store.summary(), chances)}

    return run


def _attempts(
    families: Families, draws: list[Draws], interface: InterfaceConfig, policy: str
) -> Iterator[Attempt]:
    for plan in draws:
        ref = families.ref(plan.family, interface)
        for task in families.first(plan.family, plan.split, plan.tasks):
            yield from families.attempts(task, ref, policy, range(plan.attempts))


def _count(summary: pa.Table, chances: Mapping[str, float]) -> list[JSON]:
    columns = {
        "n": pc.is_valid(summary["passed"]),
        "c": pc.fill_null(summary["passed"], False),
        "guesses": pc.fill_null(summary["guess"], False),
        "truncated": pc.invert(pc.is_in(summary["stop_reason"], pa.array(["answered", "failed"]))),
        "failed": pc.is_null(summary["passed"]),
        "tool_calls": summary["tool_calls"],
        "action_tokens": summary["action_tokens"],
    }
    keys = {name: summary[name] for name in ("family", "task_id", "task_hash")}
    table = pa.table(keys | {name: pc.cast(value, pa.int64()) for name, value in columns.items()})
    grouped = table.group_by(list(keys)).aggregate([(name, "sum") for name in columns])
    rows: list[JSON] = []
    for row in grouped.sort_by([("family", "ascending"), ("task_id", "ascending")]).to_pylist():
        counts = {name: row[f"{name}_sum"] for name in columns}
        identity = {"family": row["family"], "task": row["task_id"]}
        rows.append({**identity, **counts, "chance": chances[row["task_hash"]]})
    return rows
