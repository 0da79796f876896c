"""Several sandboxes behind one: executions run side by side, and wait where all are busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.protocol import ExecResult, Sandbox, Session
from reachgym.envs.sandbox.reserve import SessionReserve

RECYCLE_AFTER = 5000
_CLOSED = "expected an open pool of sandboxes, got a closed one"


@dataclass(slots=True)
class _Member:
    sandbox: Sandbox
    executions: int = 0


class SandboxPool:
    """Opens sandboxes as they are needed, keeps them warm, and never more than `size` at once.

    A caller that finds all of them busy waits for one. A sandbox that broke is not used again, nor
    is one that has run many executions: what slowly leaks in it ends with it.

    Args:
        open_sandbox: Opens one.
        size: The most there are.
        recycle_after: Executions after which one is replaced.

    Raises:
        SandboxError: The first could not be opened.
    """

    def __init__(
        self, open_sandbox: Callable[[], Sandbox], size: int, recycle_after: int = RECYCLE_AFTER
    ) -> None:
        self._open_sandbox = open_sandbox
        self._recycle_after = recycle_after
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._closed = False
        # One is opened at once: a machine that cannot give any should say so early.
        self._idle = [_Member(open_sandbox())]
        self._level = self._idle[0].sandbox.level
        self._sessions = SessionReserve(self._open_session, size)

    @property
    def level(self) -> str:
        """The isolation that every one of them gives."""
        return self._level

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` in whichever is free; see `Sandbox.exec`."""
        with self._borrowed() as sandbox:
            return sandbox.exec(code, files=files)

    def open_session(self) -> Session:
        """Give a session; it has processes of its own, and takes no place in the pool.

        From the first one on, as many as there may be sandboxes are opened ahead.
        """
        if self._closed:
            raise SandboxError(_CLOSED)
        return self._sessions.take()

    def close(self) -> None:
        """End all of them, busy ones as soon as they are done; again does nothing."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for member in idle:
            member.sandbox.close()
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open_session(self) -> Session:
        with self._borrowed() as sandbox:
            return sandbox.open_session()

    @contextmanager
    def _borrowed(self) -> Iterator[Sandbox]:
        with self._places:
            member = self._take()
            try:
                yield member.sandbox
            except SandboxError:
                member.sandbox.close()
                raise
            except BaseException:
                self._give_back(member)
                raise
            else:
                self._give_back(member)

    def _take(self) -> _Member:
        with self._lock:
            if self._closed:
                raise SandboxError(_CLOSED)
            if self._idle:
                # The one used last is the warmest.
                return self._idle.pop()
        return _Member(self._open_sandbox())

    def _give_back(self, member: _Member) -> None:
        member.executions += 1
        with self._lock:
            keep = not self._closed and member.executions < self._recycle_after
            if keep:
                self._idle.append(member)
        if not keep:
            member.sandbox.close()
