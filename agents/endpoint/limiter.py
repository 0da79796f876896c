"""How many requests may be in flight: fewer when the server is too busy, more when it is not."""

from __future__ import annotations

import asyncio
import random
from collections import deque

# Requests added for each round of answers, as a share of the most: a limit that was cut to one is
# back after some thirty rounds.
_STEP_SHARE = 1 / 32
_CUT = 0.5
# After a pause, as many requests as may be in flight start within as long as the pause lasted, and
# at most within this.
_LONGEST_SPREAD_S = 2.0


class Limiter:
    """An additive-increase, multiplicative-decrease limit (Chiu and Jain 1989).

    It is used from one event loop. Requests wait in the order in which they came. What was started
    before a cut cuts no further: its failure tells of the limit that was.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = max(1.0, most * _STEP_SHARE)
        self._limit = float(most)
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._cut_at_s = -1.0
        self._held_until_s = 0.0
        # After a pause: how many more starts are spread, and how far apart they lie.
        self._spread_starts = 0
        self._gap_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    async def acquire(self) -> float:
        """Wait for a place; returns when it was taken, in the loop's time."""
        loop = asyncio.get_running_loop()
        if self._waiting or not self._is_free(loop.time()):
            place: asyncio.Future[None] = loop.create_future()
            self._waiting.append(place)
            self._admit()
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._leave()
                raise
        else:
            self._enter(loop.time())
        return loop.time()

    def release(self, started_s: float, *, overloaded: bool | None) -> None:
        """Give a place back.

        Args:
            started_s: What `acquire` returned.
            overloaded: Whether the server could not keep up; None where that is not known.
        """
        if overloaded and started_s >= self._cut_at_s:
            self._limit = max(1.0, self._limit * _CUT)
            self._cut_at_s = asyncio.get_running_loop().time()
        elif overloaded is False:
            self._limit = min(float(self._most), self._limit + self._step / self._limit)
        self._leave()

    def hold(self, seconds: float) -> None:
        """Start nothing for so long, and then one after the other."""
        now_s = asyncio.get_running_loop().time()
        if now_s + seconds <= self._held_until_s:
            return
        self._held_until_s = now_s + seconds
        self._spread_starts = self._most
        self._gap_s = min(seconds, _LONGEST_SPREAD_S) / self.limit

    def _is_free(self, now_s: float) -> bool:
        return self._in_flight < self.limit and now_s >= self._held_until_s

    def _enter(self, now_s: float) -> None:
        self._in_flight += 1
        if self._spread_starts:
            self._spread_starts -= 1
            self._held_until_s = now_s + random.uniform(0.5, 1.5) * self._gap_s

    def _leave(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in what there is room for; comes back by itself when a pause is what stops it."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._in_flight < self.limit:
            now_s = loop.time()
            if now_s < self._held_until_s:
                if self._timer is None:
                    self._timer = loop.call_at(self._held_until_s, self._wake)
                return
            place = self._waiting.popleft()
            if not place.cancelled():
                self._enter(now_s)
                place.set_result(None)

    def _wake(self) -> None:
        self._timer = None
        self._admit()
