"""Export of a store and import of a file, whole or not at all, a few attempts in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from reachgym.envs.errors import InputError
from reachgym.rollout.formats import jsonl, rows, tasks, trl_sft
from reachgym.rollout.formats.files import fresh, read_json_lines, write_lines
from reachgym.rollout.formats.tasks import PosedTask
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory

_SHARD_ROWS = 1000


class Format(StrEnum):
    """The formats that trajectories leave in and come from."""

    JSONL = "jsonl"
    TRL_SFT = "trl-sft"
    SKYRL = "skyrl"
    VERL = "verl"


_ROWS = {Format.SKYRL: rows.SKYRL, Format.VERL: rows.VERL}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which attempts are meant: those that fit everything that is not None or false."""

    policy: str | None = None
    family: str | None = None
    passed: bool = False

    def of(self, store: TrajectoryStore) -> Iterator[Trajectory]:
        """The attempts of a store that are meant."""
        for trajectory in store.read(policy=self.policy, family=self.family):
            if trajectory.verdict.passed or not self.passed:
                yield trajectory


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a transfer.

    Attributes:
        count: Attempts, or tasks, that were written.
        left_out: Those that were chosen but could not be written, or were there already.
    """

    count: int
    left_out: int = 0


def export(source: Path, form: Format, out: Path, choice: Choice = Choice()) -> Moved:
    """Write a store's attempts, or the tasks of a task file, to a file that does not exist yet.

    Raises:
        InputError: The source is neither, the file exists, or an environment is not to be had.
    """
    if source.is_file():
        return _export_tasks(tasks.read_tasks(source), form, out)
    if not source.is_dir():
        raise InputError(f"{source} does not exist; give a trajectory store")
    chosen = choice.of(TrajectoryStore(source, create=False))
    if form in _ROWS:
        with closing(Rebuilder()) as rebuilder:
            items = (tasks.posed(trajectory, rebuilder) for trajectory in _once(chosen))
            return _export_tasks(items, form, out)
    return _export_lines(chosen, trl_sft.dump if form is Format.TRL_SFT else jsonl.dump, out)


def import_file(path: Path, form: Format, out: Path) -> Moved:
    """Make a new trajectory store, or of rows a new task file, of what a file holds.

    Raises:
        InputError: The file is wrong, with its line, or the place is taken; nothing is left behind.
    """
    if form in _ROWS:
        with fresh(out) as draft:
            return Moved(write_lines(draft, map(tasks.dump, rows.read_rows(path, _ROWS[form]))))
    load = trl_sft.Importer().load if form is Format.TRL_SFT else jsonl.load
    trajectories = read_json_lines(path, load)
    given = new = 0
    with fresh(out) as draft, TrajectoryStore(draft) as store:
        while batch := list(islice(trajectories, _SHARD_ROWS)):
            given += len(batch)
            new += store.append(batch)
    return Moved(new, given - new)


def _export_tasks(items: Iterable[PosedTask], form: Format, out: Path) -> Moved:
    if form not in _ROWS:
        raise InputError(f"a task file can be exported as {' or '.join(_ROWS)}; got '{form}'")
    with fresh(out) as draft:
        return Moved(rows.write_rows(draft, items, _ROWS[form]))


def _export_lines(
    chosen: Iterable[Trajectory], dump: Callable[[Trajectory], str | None], out: Path
) -> Moved:
    left_out = 0

    def lines() -> Iterator[str]:
        nonlocal left_out
        for trajectory in chosen:
            line = dump(trajectory)
            if line is None:
                left_out += 1
            else:
                yield line

    with fresh(out) as draft:
        return Moved(write_lines(draft, lines()), left_out)


def _once(trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
    """The first attempt at every task that was posed; memory grows by a hash a task."""
    seen: set[tuple[str, str]] = set()
    for trajectory in trajectories:
        key = (trajectory.env, trajectory.key.task_hash)
        if trajectory.opening and key not in seen:
            seen.add(key)
            yield trajectory
