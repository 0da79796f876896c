"""The sessions of a server: so many at once, each one's requests in order, the idle ones ended."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from reachgym.envs.errors import InputError
from reachgym.envs.serving.episode import ServedEpisode
from reachgym.envs.serving.pool import Pool

ResultT = TypeVar("ResultT")
_LOOKS_PER_IDLE = 4
_LONGEST_LOOK_S = 5.0


class FullError(Exception):
    """As many sessions are open as there may be."""


class NoSessionError(InputError):
    """There is no such session, or it was ended."""


@dataclass(eq=False)
class Session:
    """One client's episodes.

    Attributes:
        id: Cannot be guessed.
        episode: What is played.
        used_s: When it was last asked something, on the monotonic clock.
        turn: Held while a request is worked on.
        ended: Set once it is over, whoever ended it.
    """

    id: str
    episode: ServedEpisode
    used_s: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Counts:
    """How many sessions there were: opened, refused for want of room, and ended for idleness."""

    opened: int = 0
    refused: int = 0
    expired: int = 0


class Sessions:
    """Opens, finds and ends sessions; it belongs to one event loop.

    Environments are synchronous: their work is done in threads, so that a slow one holds up its own
    session alone while there are threads left.

    Args:
        pool: Where environments come from.
        most: Sessions open at once.
        idle_s: Seconds without a request after which a session is ended.
        threads: Environments at work at once.
    """

    def __init__(self, pool: Pool, *, most: int, idle_s: float, threads: int) -> None:
        self._pool = pool
        self._most = most
        self._idle_s = idle_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="served")
        self._open: dict[str, Session] = {}
        # Sessions that are over and whose environments are still being given back.
        self._ending: set[asyncio.Task[None]] = set()
        self.counts = Counts()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def most(self) -> int:
        """How many may be open at once."""
        return self._most

    @property
    def idle_s(self) -> float:
        """Seconds without a request after which a session is ended."""
        return self._idle_s

    def open(self) -> Session:
        """Open one.

        Raises:
            FullError: There are as many as there may be.
        """
        if len(self._open) >= self._most:
            self.counts.refused += 1
            raise FullError(f"all {self._most} sessions are taken; try again later")
        session = Session(secrets.token_urlsafe(24), ServedEpisode(self._pool), time.monotonic())
        self._open[session.id] = session
        self.counts.opened += 1
        return session

    def find(self, session_id: str) -> Session:
        """An open session.

        Raises:
            NoSessionError: There is none of this id.
        """
        session = self._open.get(session_id)
        if session is None:
            raise NoSessionError(
                "there is no such session: it was closed, or ended after "
                f"{self._idle_s:g} s without a request; open another"
            )
        return session

    async def ask(self, session: Session, work: Callable[[], ResultT]) -> ResultT:
        """Do a session's work in a thread, after what it was asked before.

        Raises:
            NoSessionError: It is over.
            Exception: What the work raised.
        """
        session.used_s = time.monotonic()
        async with session.turn:
            if session.ended.is_set():
                raise NoSessionError("the session is over; open another")
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, work)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # The client left half-way; its environment is given back once the work is done.
                await asyncio.wait([running])
                raise
            finally:
                session.used_s = time.monotonic()

    def end(self, session: Session) -> None:
        """End a session, as soon as what it does is done; again does nothing."""
        if self._open.pop(session.id, None) is None:
            return
        session.ended.set()
        task = asyncio.get_running_loop().create_task(self._give_back(session))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def watch(self) -> None:
        """End idle sessions, for as long as this runs."""
        pause_s = min(_LONGEST_LOOK_S, self._idle_s / _LOOKS_PER_IDLE)
        while True:
            await asyncio.sleep(pause_s)
            oldest_s = time.monotonic() - self._idle_s
            for session in list(self._open.values()):
                if session.used_s < oldest_s and not session.turn.locked():
                    self.counts.expired += 1
                    self.end(session)

    async def close(self) -> None:
        """End all of them, and wait until they are."""
        for session in list(self._open.values()):
            self.end(session)
        if self._ending:
            await asyncio.wait(self._ending)
        self._pool.close()
        self._threads.shutdown(wait=False)

    async def _give_back(self, session: Session) -> None:
        async with session.turn:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, session.episode.close)
