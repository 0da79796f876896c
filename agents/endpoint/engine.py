"""An engine whose turns are requests, in flight in an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.endpoint.turns import TurnTaker
from reachgym.agents.protocol import Completion, Request
from reachgym.envs.secret import Secret


@dataclass(frozen=True, slots=True)
class _Submitted:
    """One turn of one conversation; the serial tells it from a later turn under its ticket."""

    ticket: int
    serial: int
    request: Request


class EndpointEngine:
    """Turns of many conversations as requests to one endpoint; see `Engine`.

    Everything of the event loop happens in the engine's own thread. `step` hands out what is done.
    """

    def __init__(
        self, settings: EndpointSettings, key: Secret | None, wake: Callable[[], None]
    ) -> None:
        self._wake = wake
        # Touched by the caller's thread only.
        self._serial = 0
        self._live: dict[int, int] = {}
        self._closed = False
        # Touched by both threads; each of their operations is atomic.
        self._inbox: deque[_Submitted] = deque()
        self._posted = False
        self._done: deque[tuple[_Submitted, Completion | Exception]] = deque()
        # Touched by the loop's thread only, but for the start.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ringing = False
        self._turns = TurnTaker(settings, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="endpoint", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether no turn is done."""
        while self._done and not self._is_live(self._done[0][0]):
            self._done.popleft()
        return not self._done

    def submit(self, ticket: int, request: Request) -> None:
        """Send for the next turn of a conversation."""
        self._serial += 1
        self._live[ticket] = self._serial
        self._inbox.append(_Submitted(ticket, self._serial, request))
        # One call into the loop serves everything that is submitted until the loop gets to it.
        if not self._posted:
            self._posted = True
            self._loop.call_soon_threadsafe(self._take_in)

    def step(self) -> list[tuple[int, Completion | Exception]]:
        """The turns that are done by now."""
        turns: list[tuple[int, Completion | Exception]] = []
        while self._done:
            submitted, outcome = self._done.popleft()
            if self._is_live(submitted):
                del self._live[submitted.ticket]
                turns.append((submitted.ticket, outcome))
        return turns

    def forget(self, ticket: int) -> None:
        """Drop a conversation; a request that is on its way is broken off."""
        serial = self._live.pop(ticket, None)
        if serial is not None:
            self._loop.call_soon_threadsafe(self._cancel, serial)

    def close(self) -> None:
        """Break off every request and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._live.clear()
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._done.clear()

    def _is_live(self, submitted: _Submitted) -> bool:
        """Whether the turn was not forgotten meanwhile."""
        return self._live.get(submitted.ticket) == submitted.serial

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _take_in(self) -> None:
        self._posted = False
        while self._inbox:
            submitted = self._inbox.popleft()
            task = self._loop.create_task(self._take_turn(submitted))
            self._tasks[submitted.serial] = task

    def _cancel(self, serial: int) -> None:
        # What was submitted just now may still wait to be taken in.
        self._take_in()
        task = self._tasks.pop(serial, None)
        if task is not None:
            task.cancel()

    async def _take_turn(self, submitted: _Submitted) -> None:
        outcome = await self._turns.take(submitted.request)
        self._tasks.pop(submitted.serial, None)
        self._done.append((submitted, outcome))
        # One call for everything that is done in this round of the loop.
        if not self._ringing:
            self._ringing = True
            self._loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._ringing = False
        self._wake()

    async def _shut(self) -> None:
        self._take_in()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._turns.close()
        await self._loop.shutdown_asyncgens()
