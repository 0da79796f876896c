"""A session of the Docker level: a container of its own."""

from __future__ import annotations

import marshal
import os
import signal
import struct
import threading
import time
import weakref
from collections.abc import Mapping
from typing import NoReturn, Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected
from reachgym.envs.sandbox.docker.call import follow
from reachgym.envs.sandbox.docker.container import Container, EndedError, Runtime, start
from reachgym.envs.sandbox.docker.engine import Engine
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits
from reachgym.envs.sandbox.session import result_of

_OPENING_S = 10.0
_LOST = "out of memory: the session's names and files are gone"


class DockerSession:
    """A container with files of its own, and a REPL that lives between calls.

    A branch repeats the calls made so far in a container of its own: names, files and open handles
    are then its own too. What depends on time or chance may come out differently there, and what
    was interrupted cannot be repeated.

    Args:
        engine: Where the container is.
        image: What it is made of.
        limits: What one call may use; memory, processes and files count for the whole session.
        runtime: What runs it.

    Raises:
        SandboxError: The engine gives no container; the text says what to do.
    """

    def __init__(self, engine: Engine, image: str, limits: SandboxLimits, runtime: Runtime) -> None:
        self._engine, self._image, self._runtime = engine, image, runtime
        self._limits = limits
        self._lock = threading.Lock()
        self._open()

    @property
    def alive(self) -> bool:
        """Whether its container is there; see `Session`."""
        with self._lock:
            if not self._finalizer.alive:
                return False
            try:
                return self._container.receive(0.0) is None
            except EndedError:
                return False

    def run(self, code: str) -> ExecResult:
        """Run a cell; see `Session`."""
        return self._call(wire.CELL, code.encode())

    def shell(self, command: str) -> ExecResult:
        """Run a shell command; see `Session`."""
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
        if exit_code or collected.stdout.truncated:
            raise InputError(collected.stderr.text() or f"{path!r} could not be read")
        return collected.stdout.kept

    def branch(self) -> DockerSession:
        """A session in which the same calls were made; see `Session`."""
        if not self._repeatable:
            raise SandboxError(
                "expected a session of whole calls, but one was interrupted or killed half-way;"
                " branch before that, or open a new session"
            )
        copy = DockerSession(self._engine, self._image, self._limits, self._runtime)
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
        self._container = start(self._engine, self._image, self._limits, self._runtime)
        self._finalizer = weakref.finalize(self, _end, self._container, os.getpid())
        try:
            self._container.send(wire.OPEN)
            reply, words = self._container.receive(time.monotonic() + _OPENING_S) or (b"", b"")
        except EndedError as error:
            reply, words = wire.BROKEN, str(error).encode()
        if reply != wire.READY:
            self.close()
            raise SandboxError(f"a session could not be opened: {words.decode(errors='replace')}")

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
            try:
                self._container.send(kind, payload)
                stops = (INTERRUPT, KILL)
                collected = follow(self._container, self._limits, stops, stdout_bytes=stdout_bytes)
            except EndedError as error:
                self._lose(error)
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self.close()
                raise
            if collected.reply != wire.FINISHED:
                self.close()
                words = collected.payload.decode(errors="replace")
                raise SandboxError(f"the session broke: {words}")
            return collected, time.monotonic() - started_s

    def _lose(self, error: EndedError) -> NoReturn:
        self.close()
        if self._container.ran_out_of_memory():
            self._open()
            raise _OutOfMemoryError(_LOST) from error
        raise SandboxError(
            f"expected the session to answer, but its container ended ({str(error) or 'killed'}),"
            " and its files with it; open a new one"
        ) from error


class _OutOfMemoryError(InputError):
    """The session's code took more memory than the session may have, and ended it."""


def _end(container: Container, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        container.end()
