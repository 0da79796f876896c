"""Held-out episodes scored under every policy of their mixture: what lies below draws' sight."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.agents.protocol import TokenSequence
from reachgym.envs.types import JSON, Task
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import AttemptKey, Trajectory
from reachgym.study.config.study import InterfaceConfig
from reachgym.study.families import Families
from reachgym.study.lane import Lane
from reachgym.study.measure import TRAJECTORIES
from reachgym.study.plan import Advance
from reachgym.study.policies import Acting

SCORES = "scores.parquet"
"""The file that a scoring stage writes: one row an episode, one column a policy."""


@dataclass(frozen=True, slots=True)
class Member:
    """A policy of the mixture.

    Attributes:
        name: Its name, and of its column.
        checkpoint: Its weights.
        measured: The stage whose stored attempts are its draws.
        policy: The name that these attempts were made under.
        draws: How many of each task's attempts are its draws, the first ones.
        is_base: Whether it is the one whose success probability is asked for.
    """

    name: str
    checkpoint: Path
    measured: Path
    policy: str
    draws: int
    is_base: bool


@dataclass(frozen=True, slots=True)
class _Episode:
    """A stored attempt, and which of its policy's draws at the task it is."""

    member: str
    place: int
    trajectory: Trajectory

    @property
    def passed(self) -> bool:
        return bool(self.trajectory.verdict.passed)


def score_mixture(
    families: Families, tasks: Sequence[Task], interface: InterfaceConfig, members: Sequence[Member]
) -> Callable[[Lane, Path, Advance], Mapping[str, JSON]]:
    """A stage that scores stored episodes under every member, one fp32 path for all.

    Every success is scored under every member. Failures count in estimates by their number alone;
    those of an arm are scored under the arm and the base, for the divergence between the two.
    """

    def run(lane: Lane, stage: Path, advance: Advance) -> Mapping[str, JSON]:
        advance(0.0, "reading stored attempts")
        lane.act_as(Acting())
        episodes = [
            episode for member in members for episode in _draws(families, tasks, interface, member)
        ]
        base = {member.name for member in members if member.is_base}
        kept = [e for e in episodes if e.passed or e.member not in base]
        sequences = [episode.trajectory.tokens() for episode in kept]
        columns: dict[str, list[float | None]] = {}
        for place, member in enumerate(members):
            advance(place / len(members), f"under {member.name}, {len(kept):,} episodes")
            wanted = [e.passed or member.is_base or e.member == member.name for e in kept]
            lane.load(member.checkpoint)
            columns[member.name] = _sums(lane, sequences, wanted)
        pq.write_table(_table(kept, columns), stage / SCORES)
        drawn = {f"draws:{member.name}": member.draws for member in members}
        return {"episodes": len(kept), **drawn}

    return run


def _draws(
    families: Families, tasks: Sequence[Task], interface: InterfaceConfig, member: Member
) -> Iterator[_Episode]:
    places: dict[AttemptKey, int] = {}
    for task in tasks:
        ref = families.ref(task.family, interface)
        attempts = families.attempts(task, ref, member.policy, range(member.draws))
        places |= {attempt.key: place for place, attempt in enumerate(attempts)}
    store = TrajectoryStore(member.measured / TRAJECTORIES)
    found = {trajectory.key: trajectory for trajectory in store.read_keys(places.keys())}
    for key, place in places.items():
        if key in found and found[key].verdict.passed is not None:
            yield _Episode(member.name, place, found[key])


def _sums(
    lane: Lane, sequences: Sequence[TokenSequence], wanted: Sequence[bool]
) -> list[float | None]:
    """Log-probability of each wanted episode's sampled tokens together, natural."""
    scores = iter(lane.score([s for s, want in zip(sequences, wanted, strict=True) if want]))
    return [float(next(scores).astype(np.float64).sum()) if want else None for want in wanted]


def _table(episodes: Sequence[_Episode], columns: Mapping[str, list[float | None]]) -> pa.Table:
    trajectories = [episode.trajectory for episode in episodes]
    rows = {
        "policy": [episode.member for episode in episodes],
        "place": [episode.place for episode in episodes],
        "family": [t.family for t in trajectories],
        "task": [t.task_id for t in trajectories],
        "passed": [episode.passed for episode in episodes],
        "route": [_route(t) for t in trajectories],
    }
    scores = {f"logprob:{name}": pa.array(column, pa.float64()) for name, column in columns.items()}
    return pa.table({**rows, **scores})


def _route(trajectory: Trajectory) -> str:
    """A digest of the tokens: equal for episodes that went the same way."""
    return hashlib.sha256(trajectory.tokens().ids.tobytes()).hexdigest()[:16]
