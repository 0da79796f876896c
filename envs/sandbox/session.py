"""A session of the namespaces level, seen from the supervisor."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import struct
import threading
import time
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import guard, launch, wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected, collect
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits
from reachgym.envs.sandbox.session_server import REFUSED
from reachgym.envs.sandbox.shell_programs import shell_files

_OPENING_S = 10.0
_LOST = "out of memory: the session's names and files are gone"


class NamespacesSession:
    """Namespaces, control group and files of its own, and a REPL that lives between calls.

    A branch repeats the calls made so far in a session of its own: names, files and open handles
    are then its own too. What depends on time or chance may come out differently there, and what
    was interrupted cannot be repeated.

    Args:
        limits: What one call may use; memory, processes and files count for the whole session.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open()

    @property
    def alive(self) -> bool:
        """Whether its processes are there; see `Session`."""
        return self._finalizer.alive and not self._slot.ended

    def run(self, code: str) -> ExecResult:
        """Run a cell; see `Session`."""
        return self._call(wire.CELL, code.encode())

    def shell(self, command: str) -> ExecResult:
        """Run a shell command; see `Session`."""
        if not shell_files():
            raise SandboxError("expected a shell and `ldd` on this machine, for shells in sessions")
        return self._call(wire.SHELL, command.encode())

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files into the working directory; see `Session`."""
        checked = checked_files(files, self._limits.file_bytes)
        result = self._call(wire.WRITE, marshal.dumps(checked))
        if result.exit_code:
            raise InputError(result.stderr or "the files could not be written")

    def read(self, path: str) -> bytes:
        """A regular file of the working directory; see `Session`."""
        collected, _ = self._collect(wire.READ, path.encode(), self._limits.file_bytes)
        exit_code, _ = struct.unpack("<i?", collected.payload)
        if exit_code == REFUSED or exit_code or collected.stdout.truncated:
            raise InputError(collected.stderr.text() or f"{path!r} could not be read")
        return collected.stdout.kept

    def branch(self) -> NamespacesSession:
        """A session in which the same calls were made; see `Session`."""
        if not self._repeatable:
            raise SandboxError(
                "expected a session of whole calls, but one was interrupted or killed half-way;"
                " branch before that, or open a new session"
            )
        copy = type(self)(self._limits)
        try:
            for kind, payload in self._calls:
                copy._call(kind, payload)
        except BaseException:
            copy.close()
            raise
        return copy

    def close(self) -> None:
        """End every process and remove the files; again does nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> None:
        self._calls: list[tuple[bytes, bytes]] = []
        self._repeatable = True
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

    def _launch(self) -> launch.Slot:
        return launch.start(self._limits, shell_files())

    def _call(self, kind: bytes, payload: bytes) -> ExecResult:
        started_s = time.monotonic()
        try:
            collected, seconds = self._collect(kind, payload)
        except _OutOfMemoryError as lost:
            seconds = time.monotonic() - started_s
            return ExecResult(Outcome.KILLED, -signal.SIGKILL, "", f"{lost}\n", False, seconds)
        exit_code, alive = struct.unpack("<i?", collected.payload)
        outcome = Outcome.EXITED if exit_code >= 0 else Outcome.KILLED
        if collected.timed_out:
            outcome = Outcome.TIMEOUT
        if outcome is not Outcome.EXITED or (kind == wire.CELL and not alive):
            self._repeatable = False
        self._calls.append((kind, payload))
        return result_of(collected, outcome, exit_code, seconds)

    def _collect(
        self, kind: bytes, payload: bytes, stdout_bytes: int | None = None
    ) -> tuple[Collected, float]:
        with self._lock:
            if not self._finalizer.alive:
                raise SandboxError("expected an open session, got a closed one: open a new one")
            started_s = time.monotonic()
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
                    raise _OutOfMemoryError(_LOST) from error
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
            return collected, time.monotonic() - started_s


def result_of(collected: Collected, outcome: Outcome, exit_code: int, seconds: float) -> ExecResult:
    """What a call left, as every level gives it."""
    stdout, stderr = collected.stdout, collected.stderr
    truncated = stdout.truncated or stderr.truncated
    return ExecResult(outcome, exit_code, stdout.text(), stderr.text(), truncated, seconds)


class _OutOfMemoryError(InputError):
    """The session's code took more memory than the session may have, and ended it."""


def _end(slot: launch.Slot, server: socket.socket, owner_pid: int) -> tuple[int, str]:
    server.close()
    return slot.end() if os.getpid() == owner_pid else (0, "")
