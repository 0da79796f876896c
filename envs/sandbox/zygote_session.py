"""A session of a level that a zygote serves, seen from the supervisor."""

from __future__ import annotations

import os
import socket
import weakref
from abc import abstractmethod
from typing import Self

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import guard, launch, wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected, collect
from reachgym.envs.sandbox.protocol import ExecResult
from reachgym.envs.sandbox.repeatable_session import RepeatableSession, SessionEndedError
from reachgym.envs.sandbox.shell_programs import shell_files

_OPENING_S = 10.0


class ZygoteSession(RepeatableSession):
    """A guard, a zygote and files of its own, and a REPL that lives between calls.

    Args:
        limits: As for `RepeatableSession`.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    @property
    def alive(self) -> bool:
        """Whether its processes are there; see `Session`."""
        return self._finalizer.alive and not self._slot.ended

    def shell(self, command: str) -> ExecResult:
        """Run a shell command; see `Session`."""
        if not shell_files():
            raise SandboxError("expected a shell and `ldd` on this machine, for shells in sessions")
        return super().shell(command)

    @abstractmethod
    def _launch(self) -> launch.Slot:
        """Start its processes."""

    def _fresh(self) -> Self:
        return type(self)(self._limits)

    def _start(self) -> weakref.finalize[..., Self]:
        self._slot = self._launch()
        self._server, self._far = socket.socketpair()
        return weakref.finalize(self, _end, self._slot, self._server, os.getpid())

    def _opening(self) -> tuple[bytes, bytes]:
        self._server.settimeout(_OPENING_S)
        with self._far:
            wire.send(self._slot.control, wire.OPEN, fds=(self._far.fileno(),))
        try:
            reply, words, _ = wire.receive(self._server)
        except (wire.ClosedError, OSError) as error:
            return wire.BROKEN, str(error).encode()
        return reply, words

    def _exchange(self, kind: bytes, payload: bytes, stdout_bytes: int | None) -> Collected:
        try:
            return collect(
                self._slot,
                self._server,
                lambda outputs: wire.send(self._server, kind, payload, tuple(outputs)),
                self._limits,
                (INTERRUPT, KILL),
                stdout_bytes=stdout_bytes,
            )
        except (wire.ClosedError, OSError) as error:
            status, words = self._finalizer() or (0, "")
            out_of_memory = status == guard.OUT_OF_MEMORY
            raise SessionEndedError(words, out_of_memory=out_of_memory) from error


def _end(slot: launch.Slot, server: socket.socket, owner_pid: int) -> tuple[int, str]:
    server.close()
    return slot.end() if os.getpid() == owner_pid else (0, "")
