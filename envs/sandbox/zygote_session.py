"""A session of a level that a zygote serves, seen from the supervisor."""

from __future__ import annotations

import os
import socket
import threading
import weakref
from abc import abstractmethod
from functools import partial
from typing import Self

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import guard, launch, wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected, collect
from reachgym.envs.sandbox.protocol import ExecResult, SandboxLimits
from reachgym.envs.sandbox.repeatable_session import LOST, OutOfMemoryError, RepeatableSession
from reachgym.envs.sandbox.shell_programs import shell_files

_OPENING_S = 10.0


class ZygoteSession(RepeatableSession):
    """A guard, a zygote and files of its own, and a REPL that lives between calls.

    Args:
        limits: As for `RepeatableSession`.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        super().__init__(limits)
        self._lock = threading.Lock()
        self._open()

    @property
    def alive(self) -> bool:
        """Whether its processes are there; see `Session`."""
        return self._finalizer.alive and not self._slot.ended

    def shell(self, command: str) -> ExecResult:
        """Run a shell command; see `Session`."""
        if not shell_files():
            raise SandboxError("expected a shell and `ldd` on this machine, for shells in sessions")
        return super().shell(command)

    def close(self) -> None:
        """End every process and remove the files; again does nothing."""
        self._finalizer()

    @abstractmethod
    def _launch(self) -> launch.Slot:
        """Start its processes."""

    def _fresh(self) -> Self:
        return type(self)(self._limits)

    def _open(self) -> None:
        self._forget()
        slot = self._launch()
        near, far = socket.socketpair()
        self._finalizer = weakref.finalize(self, _end, slot, near, os.getpid())
        self._slot, self._server = slot, near
        near.settimeout(_OPENING_S)
        with far:
            wire.send(slot.control, wire.OPEN, fds=(far.fileno(),))
        try:
            reply, words, _ = wire.receive(near)
        except (wire.ClosedError, OSError) as error:
            reply, words = wire.BROKEN, str(error).encode()
        if reply != wire.READY:
            self.close()
            raise SandboxError(f"a session could not be opened: {words.decode(errors='replace')}")

    def _collect(self, kind: bytes, payload: bytes, stdout_bytes: int | None = None) -> Collected:
        with self._lock:
            if not self._finalizer.alive:
                raise SandboxError("expected an open session, got a closed one: open a new one")
            hand_over = partial(wire.send, self._server, kind, payload)
            try:
                collected = collect(
                    self._slot,
                    self._server,
                    lambda outputs: hand_over(tuple(outputs)),
                    self._limits,
                    (INTERRUPT, KILL),
                    stdout_bytes=stdout_bytes,
                )
            except (wire.ClosedError, OSError) as error:
                status, words = self._finalizer() or (0, "")
                if status == guard.OUT_OF_MEMORY:
                    self._open()
                    raise OutOfMemoryError(LOST) from error
                raise SandboxError(
                    f"expected the session to answer, but it died ({words or 'killed'}), and its"
                    " files with it; open a new one"
                ) from error
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self.close()
                raise
            if collected.reply != wire.FINISHED:
                self.close()
                words = collected.payload.decode(errors="replace")
                raise SandboxError(f"the session broke: {words}")
            return collected


def _end(slot: launch.Slot, server: socket.socket, owner_pid: int) -> tuple[int, str]:
    server.close()
    return slot.end() if os.getpid() == owner_pid else (0, "")
