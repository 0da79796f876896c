"""The jobs of a study, what each needs first, and lanes that work them off in parallel."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from reachgym.envs.types import JSON
from reachgym.study.folder import StudyFolder
from reachgym.study.progress import StudyProgress
from reachgym.study.tracking import METRICS, Tracking

LaneT = TypeVar("LaneT")

# How long jobs have to notice that the study is being stopped. Their cluster ends afterwards, and
# what they would still ask of it would be told as errors, or start another one.
_STOPPING_S = 10.0


class Advance(Protocol):
    """How a job says how far it has come."""

    def __call__(
        self, fraction: float, note: str, numbers: Mapping[str, float] | None = None
    ) -> None:
        """Report progress, and end the job when the study is being stopped.

        Args:
            fraction: How much is done, in [0, 1].
            note: For whoever looks on.
            numbers: What was measured at this step, to be kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Job(Generic[LaneT]):
    """One stage of a study.

    Attributes:
        name: Also the stage's folder.
        needs: Jobs that must be finished first.
        cost: Expected cost, in seconds on one core of a laptop; only ratios matter.
        run: Does it, in its folder, on a lane; returns what to record.
        continues: Whether it goes on with what an interrupted try left in its folder.
    """

    name: str
    needs: tuple[str, ...]
    cost: float
    run: Callable[[LaneT, Path, Advance], Mapping[str, JSON]]
    continues: bool = False


class Stopped(Exception):  # noqa: N818 - a signal between threads, not an error
    """Raised inside a job when the study is being stopped."""


class Executor(Generic[LaneT]):
    """Works jobs off in order, as many at once as there are lanes."""

    def __init__(
        self,
        jobs: Sequence[Job[LaneT]],
        folder: StudyFolder,
        progress: StudyProgress,
        tracking: Tracking,
    ) -> None:
        self._waiting = list(jobs)
        self._folder = folder
        self._progress = progress
        self._tracking = tracking
        self._finished: set[str] = set()
        self._running = 0
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def run(self, lanes: Sequence[Callable[[], LaneT]]) -> None:
        """Run every job; lanes are opened in their own threads.

        Raises:
            BaseException: The first error of any job, or the interrupt that stopped the study.
        """
        self._skip_finished()
        threads = [threading.Thread(target=self._work, args=(lane,), daemon=True) for lane in lanes]
        try:
            for thread in threads:
                thread.start()
            self._wait_for_all(threads)
        except BaseException as error:
            self._fail(error)
            _join(threads)
            raise
        _join(threads)
        if self._error is not None:
            raise self._error

    def _skip_finished(self) -> None:
        for job in list(self._waiting):
            if self._folder.result(job.name) is not None:
                self._waiting.remove(job)
                self._finished.add(job.name)

    def _wait_for_all(self, threads: Sequence[threading.Thread]) -> None:
        # Short waits keep the main thread open to Ctrl-C.
        while any(thread.is_alive() for thread in threads) and self._error is None:
            time.sleep(0.1)

    def _work(self, open_lane: Callable[[], LaneT]) -> None:
        try:
            lane = open_lane()
            while (job := self._next()) is not None:
                self._do(job, lane)
        except BaseException as error:
            self._fail(error)

    def _next(self) -> Job[LaneT] | None:
        with self._changed:
            while self._waiting and self._error is None:
                for job in self._waiting:
                    if self._finished.issuperset(job.needs):
                        self._waiting.remove(job)
                        return job
                self._changed.wait(timeout=0.5)
            return None

    def _do(self, job: Job[LaneT], lane: LaneT) -> None:
        started = time.monotonic()
        stage = self._folder.begin(job.name, afresh=not job.continues)
        track = self._tracking.open(job.name, stage / METRICS)
        steps = itertools.count(1)

        def advance(fraction: float, note: str, numbers: Mapping[str, float] | None = None) -> None:
            if self._error is not None:
                raise Stopped
            self._progress.advance(job.name, fraction, note)
            if numbers:
                track.log(next(steps), numbers)

        with closing(track):
            result = dict(job.run(lane, stage, advance))
        seconds = time.monotonic() - started
        self._folder.finish(job.name, {**result, "stage_s": seconds})
        self._progress.finish(job.name, f"done in {seconds:.0f} s")
        with self._changed:
            self._finished.add(job.name)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()


def _join(threads: Sequence[threading.Thread]) -> None:
    deadline_s = time.monotonic() + _STOPPING_S
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, deadline_s - time.monotonic()))
