"""The worker processes of a fleet: started, given weights, replaced where they died."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ray

from reachgym.agents.protocol import Agent, TokenSequence
from reachgym.envs.errors import InfrastructureError
from reachgym.rollout.calls import KILLED, Call, fetch, never_ran
from reachgym.rollout.cluster import ONE_THREAD
from reachgym.rollout.episode import Attempt
from reachgym.rollout.placement import Reservation
from reachgym.rollout.progress import WorkerState
from reachgym.rollout.worker import GROUPS, Played, Publication, Worker

_log = logging.getLogger("reachgym.rollout")
_CLOSE_S = 5.0
_MAX_FAILED_STARTS = 3
# How long nothing is heard from workers before their nodes are looked at.
LOOK_S = 2.0
# How often it is said what is waited for.
_TELL_S = 10.0


@dataclass(frozen=True, slots=True)
class Outfit:
    """What every worker is started with; see `Fleet`."""

    agent_factory: Callable[[], Agent]
    slots: int
    lock_step: bool
    max_staleness: int | None


@dataclass(slots=True, eq=False)
class _Place:
    """A worker's place; it keeps its number and its room when the worker is replaced."""

    actor: Call
    opening: Call | None
    failed_starts: int = 0
    node: str = ""
    in_flight: int = 0
    version: int = 0


class Crew:
    """Workers by number. `publish` may be called from any thread, all else from one."""

    def __init__(self, outfit: Outfit, reservation: Reservation) -> None:
        """Start the workers and wait until every agent is built.

        Raises:
            InfrastructureError: A worker died several times while its agent was built.
            Exception: What the factory raised.
        """
        self._outfit = outfit
        self._reservation = reservation
        self._actor_type = ray.remote(concurrency_groups=GROUPS)(Worker)
        self._lock = threading.Lock()
        self._loads: dict[Call, _Place] = {}
        self.published = Publication()
        self.deaths = 0
        # Since when workers have no node, and when that was said last.
        self._homeless_s: float | None = None
        self._told_s = -math.inf
        self._places = [self._start(number) for number in range(reservation.workers)]
        try:
            for number in range(reservation.workers):
                self._await_opening(number)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._places)

    def opening(self, number: int) -> Call | None:
        """The call that is answered when the worker has its agent, or None if it has it."""
        return self._places[number].opening

    def opened(self, number: int, node: str) -> None:
        """Take the answer to that call."""
        with self._lock:
            place = self._places[number]
            place.opening, place.failed_starts, place.node = None, 0, node
            if place.version != self.published.version:
                self._load(number)

    def exchange(self, number: int, run: int, attempts: Sequence[Attempt], more: bool) -> Call:
        """Hand attempts to a worker; see `Worker.exchange`."""
        actor = self._places[number].actor
        return actor.exchange.remote(run, attempts, more, self.published.version)

    def exchanged(self, number: int, played: Played) -> None:
        """Take note of what a worker told."""
        place = self._places[number]
        place.in_flight, place.version = played.in_flight, played.version

    def publish(self, published: Publication) -> None:
        """Have every worker load weights; does not wait for them."""
        with self._lock:
            self.published = published
            for number, place in enumerate(self._places):
                if place.opening is None:
                    self._load(number)

    def loads(self) -> list[Call]:
        """The calls that are answered when workers have loaded weights."""
        with self._lock:
            return list(self._loads)

    def loaded(self, load: Call) -> None:
        """Take the answer to one of these calls; a worker's death is left for its exchange to tell.

        Raises:
            InputError: The agents take no weights, or not these.
            InfrastructureError: The weights are gone.
        """
        with self._lock:
            self._loads.pop(load, None)
        with contextlib.suppress(*KILLED):
            fetch(load)

    def settle(self) -> None:
        """Wait until every worker has the published weights; those that died are replaced.

        Raises:
            Exception: See `loaded`.
        """
        for load in self.loads():
            with self._lock:
                place = self._loads.pop(load, None)
            try:
                fetch(load)
            except KILLED as error:
                if place in self._places:
                    self.replace(self._places.index(place), error)

    def score(self, number: int, sequences: Sequence[TokenSequence]) -> Call:
        """Have a worker score; waits until it has its agent."""
        self._await_opening(number)
        return (
            self._places[number].actor.score.options(concurrency_group="scores").remote(sequences)
        )

    def clear(self, number: int, run: int) -> None:
        """Have a worker forget a run."""
        if self._places[number].opening is None:
            self._places[number].actor.clear.options(concurrency_group="control").remote(run)

    def replace(self, number: int, error: BaseException) -> None:
        """Start a worker in place of one that died.

        Raises:
            InfrastructureError: It died too often while its agent was built.
        """
        place = self._places[number]
        self.deaths += 1
        # One that was sent to a dead node says nothing about the agent.
        failed = place.failed_starts + (place.opening is not None and not never_ran(error))
        if failed >= _MAX_FAILED_STARTS:
            raise InfrastructureError(
                f"a worker died {failed} times while its agent was built; look for memory that "
                f"runs out, or for a library that ends the process. The last: {error}"
            ) from error
        ray.kill(place.actor)
        with self._lock:
            self._loads = {load: of for load, of in self._loads.items() if of is not place}
            self._places[number] = self._start(number, failed)

    def look(self) -> None:
        """Say which workers have no node any more; to be called when nothing is heard.

        Raises:
            InfrastructureError: None had one for as long as a fleet waits for room.
        """
        homeless = self._reservation.homeless()
        if not homeless:
            self._homeless_s = None
            return
        missing, now_s = self._reservation.missing(), time.monotonic()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            _log.warning("%d of %d workers wait for room: %s", homeless, len(self), missing)
        if self._homeless_s is None:
            self._homeless_s = now_s
        if homeless == len(self) and now_s - self._homeless_s > self._reservation.wait_s:
            raise InfrastructureError(
                f"every worker lost its node, and for {self._reservation.wait_s:g} s there was no "
                f"room for others ({missing}); add nodes and run again"
            )

    def states(self, held: Sequence[int]) -> tuple[WorkerState, ...]:
        """What each worker is at, for people.

        Args:
            held: How many attempts each has.
        """
        return tuple(
            WorkerState(
                node=place.node,
                starting=place.opening is not None,
                held=count,
                in_flight=place.in_flight,
                version=place.version,
            )
            for place, count in zip(self._places, held, strict=True)
        )

    def close(self) -> None:
        """End the workers, after they have closed their environments if they can do so soon."""
        closing = [
            p.actor.close.options(concurrency_group="control").remote()
            for p in self._places
            if p.opening is None
        ]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for place in self._places:
            ray.kill(place.actor)
        self._places = []
        self._reservation.release()

    def _start(self, number: int, failed_starts: int = 0) -> _Place:
        outfit, published = self._outfit, self.published
        options = self._reservation.options(number)
        actor = self._actor_type.options(runtime_env={"env_vars": ONE_THREAD}, **options).remote(
            outfit.slots, outfit.lock_step, outfit.max_staleness
        )
        opening = actor.open.remote(outfit.agent_factory, published)
        return _Place(actor, opening, failed_starts, version=published.version)

    def _load(self, number: int) -> None:
        place = self._places[number]
        load = place.actor.load.options(concurrency_group="weights")
        self._loads[load.remote(self.published)] = place

    def _await_opening(self, number: int) -> None:
        while (opening := self.opening(number)) is not None:
            if not ray.wait([opening], timeout=LOOK_S)[0]:
                self.look()
                continue
            try:
                self.opened(number, fetch(opening))
            except KILLED as error:
                self.replace(number, error)
