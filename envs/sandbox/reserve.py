"""Sessions opened ahead of their use, since opening one takes far longer than a call."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.protocol import Session


class SessionReserve:
    """Keeps some fresh sessions open, once the first was asked for.

    Args:
        open_session: Opens one.
        size: How many wait at most.
    """

    def __init__(self, open_session: Callable[[], Session], size: int) -> None:
        self._open_session = open_session
        self._size = size
        self._lock = threading.Lock()
        self._waiting: deque[Session] = deque()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, "session-reserve")

    def take(self) -> Session:
        """A fresh session: one that waited, if it still lives, or a new one.

        Raises:
            SandboxError: None could be opened.
        """
        session = self._waited()
        if not self._closed:
            self._thread.submit(self._fill)
        return session or self._open_session()

    def close(self) -> None:
        """Close those that wait; again does nothing. Sessions that were taken stay open."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, deque()
        for session in waiting:
            session.close()
        self._thread.shutdown(wait=True)

    def _waited(self) -> Session | None:
        while True:
            with self._lock:
                session = self._waiting.popleft() if self._waiting else None
            if session is None or session.alive:
                return session
            session.close()

    def _fill(self) -> None:
        while not self._closed and len(self._waiting) < self._size:
            try:
                session = self._open_session()
            except SandboxError:
                # Whoever needs one opens it, and is told.
                return
            with self._lock:
                if not self._closed:
                    self._waiting.append(session)
                    continue
            session.close()
