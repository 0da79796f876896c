"""`reachgym rescore`: stored attempts under the verifier of today, in a store of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reachgym.envs.errors import StoreError
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.rescore import Rescored, rescore
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.cli_envs import parse_kwargs

_SHOWN = 5
# Attempts kept at once.
_PORTION = 4096


@dataclass(frozen=True, slots=True)
class RescoreRequest:
    """What `reachgym rescore` was asked for.

    Attributes:
        store: The attempts.
        out: Where they are kept with their new verdicts.
        kwargs: Arguments of the environments to replace, as `key=value`.
    """

    store: Path
    out: Path
    kwargs: tuple[str, ...]


@dataclass(slots=True)
class _Report:
    """How verdicts changed; a mutable count."""

    attempts: int = 0
    lost: int = 0
    won: int = 0
    rewards: int = 0
    unscored: int = 0
    live: int = 0
    differ: int = 0
    failures: int = 0
    examples: list[tuple[Trajectory, Trajectory]] = field(default_factory=list)

    def add(self, stored: Trajectory, new: Rescored) -> None:
        before, after = stored.verdict, new.trajectory.verdict
        self.attempts += 1
        self.live += new.live
        self.differ += new.differs
        self.unscored += after.passed is None
        self.lost += before.passed is True and after.passed is False
        self.won += before.passed is False and after.passed is True
        self.rewards += before.passed is after.passed and before.reward != after.reward
        if before.passed is not after.passed:
            self.examples.append((stored, new.trajectory))
            self.examples = self.examples[:_SHOWN]


def run_rescore(request: RescoreRequest, console: Console) -> None:
    """Score the attempts of a store anew, without inference, and print what changed.

    Raises:
        StoreError: There is no store, it is damaged, or the other one is not empty.
        InputError: The environments of today have not the tasks of the attempts.
    """
    old = TrajectoryStore(request.store, create=False)
    report = _Report()
    with TrajectoryStore(request.out) as new, closing(_rebuilder(request)) as rebuilder:
        if next(new.read(), None) is not None:
            raise StoreError(f"{request.out} holds attempts already; give a new or an empty folder")
        rows = _rescored(old, rebuilder, report)
        while portion := list(islice(rows, _PORTION)):
            new.append(portion)
    _print(report, request.out, console)


def _rebuilder(request: RescoreRequest) -> Rebuilder:
    return Rebuilder(parse_kwargs(request.kwargs))


def _rescored(
    store: TrajectoryStore, rebuilder: Rebuilder, report: _Report
) -> Iterator[Trajectory]:
    for trajectory in store.read():
        if trajectory.failure is not None:
            # Nothing came of it that a verifier could judge.
            report.failures += 1
            yield trajectory
            continue
        new = rescore(trajectory, rebuilder.place(trajectory))
        report.add(trajectory, new)
        yield new.trajectory


def _print(report: _Report, out: Path, console: Console) -> None:
    table = Table("rescored", "pass to fail", "fail to pass", "other reward", "now unscored")
    numbers = (report.attempts, report.lost, report.won, report.rewards, report.unscored)
    table.add_row(*map(str, numbers))
    console.print(table)
    for before, after in report.examples:
        console.print(
            f"{before.task_id} (seed {before.key.seed}, {before.key.policy}): "
            f"{_told(before)} -> {_told(after)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    recorded = report.attempts - report.live
    console.print(
        f"{recorded} were judged on their record, {report.live} after running their "
        "tools again, as the verifier looks at what these left behind"
    )
    if report.differ:
        console.print(f"in {report.differ} of these the tools answered otherwise than then")
    if report.failures:
        console.print(f"{report.failures} had failed and were copied as they are")
    console.print(f"Wrote {out.resolve()}", soft_wrap=True, highlight=False)


def _told(trajectory: Trajectory) -> str:
    verdict = trajectory.verdict
    name = {True: "pass", False: "fail", None: "unscored"}[verdict.passed]
    return f"{name} ({verdict.explanation})"
