"""Plays attempts in a thread of its own, so that play goes on while results wait to be fetched."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from reachgym.agents.protocol import Agent
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import Scheduler
from reachgym.rollout.trajectory import Trajectory

T = TypeVar("T")

# Finished attempts are reported at least this often: what is not reported is lost with a worker.
_REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a player has to tell.

    Attributes:
        finished: The attempts that have finished since the last report.
        in_flight: Episodes under way.
        version: The weights in use.
    """

    finished: list[Trajectory]
    in_flight: int
    version: int


@dataclass(slots=True, eq=False)
class _Run:
    """What is known of one run.

    Attributes:
        number: Runs are numbered upwards.
        coming: Attempts that the thread has not seen yet.
        left: Attempts handed in and not finished.
        in_flight: Episodes under way.
        finished: Those that wait to be reported.
        more: Whether there are further attempts to be had.
        asked_s: Since when somebody waits for a report; None if nobody does.
        error: What makes the run impossible.
    """

    number: int
    coming: list[Attempt] = field(default_factory=list)
    left: int = 0
    in_flight: int = 0
    finished: list[Trajectory] = field(default_factory=list)
    more: bool = False
    asked_s: float | None = None
    error: BaseException | None = None

    def patience_s(self) -> float:
        """How long whoever waits for a report can wait for more to be in it."""
        now_s = time.monotonic()
        asked_s = now_s if self.asked_s is None else self.asked_s
        return max(0.0, asked_s + _REPORT_S - now_s)


class _Scheduler(Scheduler):
    """One whose round can be told that there is something else to do than to wait for tools."""

    def wake(self) -> None:
        """Let a round that waits return; may be called from any thread."""
        self._returned.put(None)


class Player:
    """An agent, its environments, and the one thread in which both are driven.

    What belongs to an earlier run than the latest is forgotten. Methods may be called from any
    thread.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        slots: int,
        lock_step: bool = False,
        max_staleness: int | None = None,
        version: int = 0,
    ) -> None:
        """Start the thread.

        Args:
            agent: What plays.
            slots: Episodes in flight.
            lock_step: Batches wait for every environment; nothing is played between exchanges.
            max_staleness: Nothing is played with weights more than so many versions behind those
                that are announced; None is no bound.
            version: The weights the agent has.
        """
        self._slots = slots
        self._lock_step = lock_step
        self._bound = math.inf if max_staleness is None else max_staleness
        self._version = self._announced = version
        self._changed = threading.Condition()
        self._run = self._played = _Run(0)
        self._jobs: list[Callable[[], None]] = []
        self._closing = False
        self._pool = EnvPool(capacity=slots)
        self._scheduler = _Scheduler(agent, slots=slots, pool=self._pool, lock_step=lock_step)
        self._thread = threading.Thread(target=self._live, name="player", daemon=True)
        self._thread.start()

    def exchange(self, number: int, attempts: Sequence[Attempt], more: bool) -> Report:
        """Hand attempts in and wait until there is something to report.

        Args:
            number: The run they belong to; runs are numbered upwards.
            attempts: What is new.
            more: There are further attempts to be had: report as soon as a slot would be empty.

        Raises:
            Exception: What made the run impossible, e.g. an environment that cannot be made.
        """
        with self._changed:
            if number > self._run.number:
                self._enter(number)
            run = self._run
            if number == run.number:
                run.coming += attempts
                run.left += len(attempts)
                run.more, run.asked_s = more, time.monotonic()
                self._wake()
                while run is self._run and not self._due(run):
                    self._changed.wait(run.patience_s() if run.finished else None)
            if number < self._run.number:
                return Report([], 0, self._version)
            if run.error is not None:
                raise run.error
            finished, run.finished, run.asked_s = run.finished, [], None
            return Report(finished, run.in_flight, self._version)

    def announce(self, version: int) -> None:
        """Say that there are weights of this version, so that none too old are played with."""
        with self._changed:
            self._announced = max(self._announced, version)

    def load(self, put: Callable[[], None], version: int) -> None:
        """Give the agent weights between two steps, and wait until it has them.

        Args:
            put: Gives them.
            version: What they are from then on.

        Raises:
            Exception: What `put` raised; the agent counts as having the weights it had.
        """

        def load() -> None:
            put()
            self._version = version

        self.between_steps(load)

    def between_steps(self, job: Callable[[], T]) -> T:
        """Run something that needs the agent while it does nothing else.

        Raises:
            Exception: What the job raised.
        """
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            self._jobs.append(run)
            self._wake()
        return future.result()

    def clear(self, number: int) -> None:
        """Forget a run and those before it, also what is yet to come of them."""
        with self._changed:
            if number >= self._run.number:
                self._enter(number + 1)

    def close(self) -> None:
        """Forget everything, close the environments and end the thread."""
        with self._changed:
            self._closing = True
            self._enter(self._run.number + 1)
        self._thread.join()

    def _enter(self, number: int) -> None:
        self._run = _Run(number)
        self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        self._scheduler.wake()

    def _due(self, run: _Run) -> bool:
        if run.error is not None or run.left == 0:
            return True
        hungry = run.more and run.left < self._slots
        return bool(run.finished) and (hungry or not run.patience_s())

    def _live(self) -> None:
        """The thread: what is asked of it first, then a round of the scheduler, over and over."""
        while not self._closing:
            with self._changed:
                self._changed.wait_for(self._has_work)
                run, attempts, jobs = self._run, self._run.coming, self._jobs
                run.coming, self._jobs = [], []
            for job in jobs:
                job()
            finished: list[Trajectory] = []
            error: BaseException | None = None
            try:
                finished = self._play(run, attempts)
            except BaseException as raised:
                error = raised
            self._tell(run, finished, error)
        self._scheduler.close()
        self._pool.close()

    def _has_work(self) -> bool:
        entered = self._run is not self._played
        return bool(
            self._closing or entered or self._jobs or self._run.coming or self._may_play(self._run)
        )

    def _may_play(self, run: _Run) -> bool:
        if run.error is not None or not run.left:
            return False
        if self._announced - self._version > self._bound:
            return False
        # In lock-step what is played must not depend on how soon reports are fetched.
        return not self._lock_step or (run.asked_s is not None and not self._due(run))

    def _play(self, run: _Run, attempts: Sequence[Attempt]) -> list[Trajectory]:
        if run is not self._played:
            self._played = run
            self._scheduler.clear()
        self._scheduler.add(attempts)
        with self._changed:
            may_play = self._may_play(run)
        return self._scheduler.round() if may_play else []

    def _tell(self, run: _Run, finished: list[Trajectory], error: BaseException | None) -> None:
        with self._changed:
            run.finished += finished
            run.left -= len(finished)
            run.in_flight = self._scheduler.in_flight
            run.error = run.error or error
            if finished or error is not None:
                self._changed.notify_all()
