"""Many episodes on one agent: turns come and go one by one, environments step meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue

from reachgym.agents.batch_engine import BatchEngine
from reachgym.agents.protocol import Agent, Completion, Continuous, Engine
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import Attempt, Episode
from reachgym.rollout.trajectory import Trajectory

_MAX_THREADS = 256
# How long a batch waits for stragglers, counted from the first conversation that is ready: long
# enough to keep batches full, short enough that a hung tool costs the others little.
_PATIENCE_SHARE = 0.25
_MIN_PATIENCE_S = 0.02


def run_attempts(agent: Agent, attempts: Iterable[Attempt], *, slots: int) -> Iterator[Trajectory]:
    """Play attempts, up to `slots` at a time, and yield each as it finishes.

    Which attempts meet in a forward pass depends on `slots` and on how long tools take; with an
    agent that keeps its promise (equal seeds and histories give equal completions) the trajectories
    do not.
    """
    source = iter(attempts)
    with EnvPool(capacity=slots) as pool:
        scheduler = Scheduler(agent, slots=slots, pool=pool)
        try:
            while True:
                # As many again wait, so that a slot is refilled as soon as it is free.
                scheduler.add(islice(source, 2 * slots - scheduler.unfinished))
                if not scheduler.unfinished:
                    return
                yield from scheduler.round()
        finally:
            scheduler.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """An episode in flight; its ticket is its place in the order of starts."""

    ticket: int
    episode: Episode


class Scheduler:
    """Keeps up to `slots` episodes in flight; further attempts wait in a backlog.

    The agent computes in the caller's thread. Environments reset and step in threads, each episode
    in one at a time, so that slow tools overlap with one another and with the agent. An agent that
    is `Continuous` starts on a turn as soon as it is due; any other takes turns in batches.

    In lock-step every batch waits for all environments: which attempts share a batch then depends
    on nothing but the attempts, and results are equal to the last bit, run after run.
    """

    def __init__(self, agent: Agent, *, slots: int, pool: EnvPool, lock_step: bool = False) -> None:
        self._agent = agent
        self._slots = slots
        self._pool = pool
        self._lock_step = lock_step
        self._threads = ThreadPoolExecutor(min(slots, _MAX_THREADS), "environment")
        self._backlog: deque[Attempt] = deque()
        self._started = 0
        # An episode in flight is in one of these: with its environment, or with the agent.
        self._stepping: set[_Slot] = set()
        self._thinking: dict[int, _Slot] = {}
        # From the threads; None where the engine calls.
        self._returned: SimpleQueue[tuple[_Slot, BaseException | None] | None] = SimpleQueue()
        # How long a batch waits for other conversations; None for as long as there are any.
        self._patience_s: float | None = 0.0
        self._engine = self._open_engine()

    @property
    def unfinished(self) -> int:
        """Attempts added and not yet returned."""
        return len(self._backlog) + self.in_flight

    @property
    def in_flight(self) -> int:
        """Episodes that have started and not finished."""
        return len(self._stepping) + len(self._thinking)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Queue attempts."""
        self._backlog.extend(attempts)

    def round(self) -> list[Trajectory]:
        """Let environments catch up, then the agent go one step further."""
        self._refill()
        finished = self._collect()
        self._think()
        return finished

    def clear(self) -> None:
        """Forget every attempt that is not finished."""
        self._backlog.clear()
        in_flight = [*self._stepping, *self._thinking.values()]
        while self._stepping:
            if (returned := self._returned.get()) is not None:
                self._stepping.remove(returned[0])
        self._thinking.clear()
        for slot in in_flight:
            self._engine.forget(slot.ticket)
            with suppress(Exception):
                slot.episode.env.close()

    def close(self) -> None:
        """Forget every attempt, and end the threads and the engine."""
        self.clear()
        self._engine.close()
        self._threads.shutdown()

    def _open_engine(self) -> Engine:
        if isinstance(self._agent, Continuous) and not self._lock_step:
            return self._agent.engine(partial(self._returned.put, None))
        self._patience_s = None if self._lock_step else _MIN_PATIENCE_S
        return BatchEngine(self._agent)

    def _refill(self) -> None:
        while self._backlog and self.in_flight < self._slots:
            attempt = self._backlog.popleft()
            episode = Episode(self._pool.take(attempt.env), attempt)
            self._started += 1
            self._step(_Slot(self._started, episode), episode.start)

    def _step(self, slot: _Slot, work: Callable[[], None]) -> None:
        self._stepping.add(slot)
        self._threads.submit(self._run, slot, work)

    def _run(self, slot: _Slot, work: Callable[[], None]) -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        self._returned.put((slot, error))

    def _collect(self) -> list[Trajectory]:
        """Take what the environments gave back; waits only where the agent has nothing to do."""
        finished: list[Trajectory] = []
        ready: list[_Slot] = []
        deadline_s = None if self._engine.idle else 0.0
        with suppress(Empty):
            while self._stepping or (self._thinking and not ready):
                slot = self._next_returned(deadline_s)
                if slot is None:
                    deadline_s = 0.0
                    continue
                if slot.episode.finished:
                    finished.append(self._release(slot))
                    self._refill()
                else:
                    self._thinking[slot.ticket] = slot
                    ready.append(slot)
                if deadline_s is None and self._patience_s is not None:
                    deadline_s = time.monotonic() + self._patience_s
        # In order of start, so that batches do not depend on which thread was first.
        for slot in sorted(ready, key=lambda slot: slot.ticket):
            self._engine.submit(slot.ticket, slot.episode.pending())
        return finished

    def _next_returned(self, deadline_s: float | None) -> _Slot | None:
        """The next episode whose environment is done, or None if the engine called.

        Raises:
            Empty: The deadline has passed.
        """
        wait_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        returned = self._returned.get(timeout=wait_s)
        if returned is None:
            return None
        slot, error = returned
        self._stepping.remove(slot)
        if error is not None:
            raise error
        return slot

    def _release(self, slot: _Slot) -> Trajectory:
        episode = slot.episode
        self._engine.forget(slot.ticket)
        if episode.broken:
            # The failure is told already; what closing a broken environment raises adds nothing.
            with suppress(Exception):
                episode.env.close()
        else:
            self._pool.give(episode.attempt.env, episode.env)
        return episode.trajectory()

    def _think(self) -> None:
        if self._engine.idle:
            return
        started_s = time.monotonic()
        for ticket, completion in self._turns():
            slot = self._thinking.pop(ticket)
            if isinstance(completion, Exception):
                self._step(slot, partial(slot.episode.fail, completion))
            else:
                self._step(slot, partial(slot.episode.advance, completion))
        if self._patience_s:
            act_s = time.monotonic() - started_s
            self._patience_s = max(_MIN_PATIENCE_S, _PATIENCE_SHARE * act_s)

    def _turns(self) -> list[tuple[int, Completion | Exception]]:
        """The engine's next turns; if it breaks, its conversations fail and another is opened."""
        try:
            return self._engine.step()
        except Exception as error:
            with suppress(Exception):
                self._engine.close()
            self._engine = self._open_engine()
            return [(ticket, error) for ticket in self._thinking]
