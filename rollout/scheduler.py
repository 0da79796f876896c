"""Many episodes on one agent: one batch of turns after another, environments stepped meanwhile."""

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

from reachgym.agents.protocol import Agent
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import Attempt, Episode, complete
from reachgym.rollout.trajectory import Trajectory

_MAX_THREADS = 64
# How long a batch waits for stragglers, counted from the first conversation that is ready: long
# enough to keep batches full, short enough that a hung tool costs the others little.
_PATIENCE_SHARE = 0.25
_MIN_PATIENCE_S = 0.02


def run_attempts(agent: Agent, attempts: Iterable[Attempt], *, slots: int) -> Iterator[Trajectory]:
    """Play attempts, up to `slots` at a time, and yield each as it finishes.

    Which attempts share a batch depends on `slots` and on how long tools take; with an agent that
    keeps its promise (equal seeds and histories give equal completions) the trajectories do not.
    """
    source = iter(attempts)
    with EnvPool(capacity=slots) as pool:
        scheduler = Scheduler(agent, slots=slots, pool=pool)
        try:
            while True:
                # As many again wait, so that a slot is refilled before the agent's next batch.
                scheduler.add(islice(source, 2 * slots - scheduler.unfinished))
                if not scheduler.unfinished:
                    return
                yield from scheduler.round()
        finally:
            scheduler.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    order: int
    episode: Episode


class Scheduler:
    """Keeps up to `slots` episodes in flight; further attempts wait in a backlog.

    The agent acts in the caller's thread. Environments reset and step in threads, each episode in
    one at a time, so that slow tools overlap with one another and with the agent.

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
        self._busy: set[_Slot] = set()
        self._ready: list[_Slot] = []
        self._returned: SimpleQueue[tuple[_Slot, BaseException | None]] = SimpleQueue()
        self._patience_s = _MIN_PATIENCE_S

    @property
    def unfinished(self) -> int:
        """Attempts added and not yet returned."""
        return len(self._backlog) + len(self._busy) + len(self._ready)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Queue attempts."""
        self._backlog.extend(attempts)

    def round(self) -> list[Trajectory]:
        """Let environments catch up, then the agent take one turn of every ready episode."""
        self._refill()
        finished = self._collect()
        self._act()
        return finished

    def clear(self) -> None:
        """Forget every attempt that is not finished."""
        self._backlog.clear()
        while self._busy:
            slot, _ = self._returned.get()
            self._busy.remove(slot)
            self._ready.append(slot)
        for slot in self._ready:
            with suppress(Exception):
                slot.episode.env.close()
        self._ready.clear()

    def close(self) -> None:
        """Forget every attempt and end the threads."""
        self.clear()
        self._threads.shutdown()

    def _refill(self) -> None:
        while self._backlog and len(self._busy) + len(self._ready) < self._slots:
            attempt = self._backlog.popleft()
            episode = Episode(self._pool.take(attempt.env), attempt)
            self._started += 1
            self._submit(_Slot(self._started, episode), episode.start)

    def _submit(self, slot: _Slot, work: Callable[[], None]) -> None:
        self._busy.add(slot)
        self._threads.submit(self._run, slot, work)

    def _run(self, slot: _Slot, work: Callable[[], None]) -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        self._returned.put((slot, error))

    def _collect(self) -> list[Trajectory]:
        finished: list[Trajectory] = []
        deadline_s: float | None = None
        while self._busy:
            slot = self._next_returned(deadline_s)
            if slot is None:
                break
            if slot.episode.finished:
                finished.append(self._release(slot.episode))
                self._refill()
                continue
            self._ready.append(slot)
            if deadline_s is None and not self._lock_step:
                deadline_s = time.monotonic() + self._patience_s
        return finished

    def _next_returned(self, deadline_s: float | None) -> _Slot | None:
        """The next episode whose environment is done; None at the deadline."""
        wait_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        try:
            slot, error = self._returned.get(timeout=wait_s)
        except Empty:
            return None
        self._busy.remove(slot)
        if error is not None:
            raise error
        return slot

    def _release(self, episode: Episode) -> Trajectory:
        if episode.broken:
            # The failure is told already; what closing a broken environment raises adds nothing.
            with suppress(Exception):
                episode.env.close()
        else:
            self._pool.give(episode.attempt.env, episode.env)
        return episode.trajectory()

    def _act(self) -> None:
        if not self._ready:
            return
        # In order of start, so that batches do not depend on which thread was first.
        ready = sorted(self._ready, key=lambda slot: slot.order)
        self._ready.clear()
        started_s = time.monotonic()
        completions = complete(self._agent, [slot.episode.pending() for slot in ready])
        act_s = time.monotonic() - started_s
        self._patience_s = max(_MIN_PATIENCE_S, _PATIENCE_SHARE * act_s)
        for slot, completion in zip(ready, completions, strict=True):
            if isinstance(completion, Exception):
                self._submit(slot, partial(slot.episode.fail, completion))
            else:
                self._submit(slot, partial(slot.episode.advance, completion))
