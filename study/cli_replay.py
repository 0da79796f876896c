"""`reachgym replay`: stored attempts played again, and where they come out otherwise."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reachgym.envs.types import JSON
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.replay import Difference, Replayed, replay
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import AttemptKey, Trajectory

_SHOWN = 10
_AROUND = 24


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What `reachgym replay` was asked for."""

    store: Path
    live: bool
    policy: str | None
    family: str | None
    out: Path | None


@dataclass(slots=True)
class _Count:
    """How the attempts of a family came out; a mutable count."""

    attempts: int = 0
    differ: int = 0
    without_verdict: int = 0


@dataclass(frozen=True, slots=True)
class _Report:
    """What was found, family by family and attempt by attempt."""

    counts: dict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))
    differences: list[tuple[Trajectory, Difference]] = field(default_factory=list)

    def add(self, trajectory: Trajectory, played: Replayed) -> None:
        count = self.counts[trajectory.family]
        count.attempts += 1
        count.differ += bool(played.differences)
        count.without_verdict += played.needs_workspace
        self.differences.extend((trajectory, found) for found in played.differences)


def run_replay(request: ReplayRequest, console: Console) -> bool:
    """Play the scored attempts of a store again; returns whether all came out as they are stored.

    Raises:
        StoreError: There is no store, or it is damaged.
        InputError: The environments of today have not the tasks of the attempts.
    """
    store = TrajectoryStore(request.store, create=False)
    report = _Report()
    with closing(Rebuilder()) as rebuilder:
        for trajectory in store.read(request.policy, request.family, failures=False):
            place = rebuilder.place(trajectory)
            report.add(trajectory, replay(trajectory, place.env, place.task, live=request.live))
    _print(report, request.live, console)
    if request.out is not None:
        request.out.write_text(json.dumps(_as_json(report, request), indent=2) + "\n")
    return not report.differences


def short_diff(expected: JSON, got: JSON) -> str:
    """Where two values first differ, in few characters."""
    old, new = str(expected), str(got)
    pairs = zip(old, new, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))
    start = max(0, first - _AROUND)
    cut = "..." if start else ""
    parts = [cut + text[start : first + _AROUND] for text in (old, new)]
    return f"expected {parts[0]!r}, got {parts[1]!r}" + (f" (from {first} on)" if start else "")


def _print(report: _Report, live: bool, console: Console) -> None:
    table = Table("family", "replayed", "equal", "differ", "verdict not compared")
    for family, count in sorted(report.counts.items()):
        equal = count.attempts - count.differ
        numbers = (count.attempts, equal, count.differ, count.without_verdict)
        table.add_row(family, *map(str, numbers))
    console.print(table)
    console.print("tools were run" if live else "calls were answered with the recorded results")
    if any(count.without_verdict for count in report.counts.values()):
        console.print("verdicts that look at what the tools left behind need --live")
    for trajectory, found in report.differences[:_SHOWN]:
        where = "opening" if found.turn is None else f"turn {found.turn}"
        text = f"{trajectory.task_id} {_name(trajectory.key)}: {where}, {found.field}: "
        console.print(
            text + short_diff(found.expected, found.got),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if len(report.differences) > _SHOWN:
        console.print(f"... and {len(report.differences) - _SHOWN} more; --out keeps them all")


def _name(key: AttemptKey) -> str:
    return f"(seed {key.seed}, {key.policy}, version {key.version})"


def _as_json(report: _Report, request: ReplayRequest) -> dict[str, JSON]:
    return {
        "store": str(request.store),
        "live": request.live,
        "families": {name: asdict(count) for name, count in sorted(report.counts.items())},
        "differences": list(_rows(report)),
    }


def _rows(report: _Report) -> Iterator[JSON]:
    for trajectory, found in report.differences:
        yield {
            "attempt": asdict(trajectory.key),
            "task_id": trajectory.task_id,
            "env": trajectory.env,
            **asdict(found),
            "diff": short_diff(found.expected, found.got),
        }
