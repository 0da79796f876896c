"""A session of the Docker level: a container of its own."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import NoReturn, Self

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected
from reachgym.envs.sandbox.docker.call import follow
from reachgym.envs.sandbox.docker.container import Container, EndedError, Runtime, start
from reachgym.envs.sandbox.docker.engine import Engine
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.repeatable_session import LOST, OutOfMemoryError, RepeatableSession

_OPENING_S = 10.0


class DockerSession(RepeatableSession):
    """A container with files of its own, and a REPL that lives between calls.

    Args:
        engine: Where the container is.
        image: What it is made of.
        limits: As for `RepeatableSession`.
        runtime: What runs it.

    Raises:
        SandboxError: The engine gives no container; the text says what to do.
    """

    def __init__(self, engine: Engine, image: str, limits: SandboxLimits, runtime: Runtime) -> None:
        super().__init__(limits)
        self._engine, self._image, self._runtime = engine, image, runtime
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

    def close(self) -> None:
        """End every process and remove the files; again does nothing."""
        self._finalizer()

    def _fresh(self) -> Self:
        return type(self)(self._engine, self._image, self._limits, self._runtime)

    def _open(self) -> None:
        self._forget()
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

    def _collect(self, kind: bytes, payload: bytes, stdout_bytes: int | None = None) -> Collected:
        with self._lock:
            if not self._finalizer.alive:
                raise SandboxError("expected an open session, got a closed one: open a new one")
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
            return collected

    def _lose(self, error: EndedError) -> NoReturn:
        self.close()
        if self._container.ran_out_of_memory():
            self._open()
            raise OutOfMemoryError(LOST) from error
        raise SandboxError(
            f"expected the session to answer, but its container ended ({str(error) or 'killed'}),"
            " and its files with it; open a new one"
        ) from error


def _end(container: Container, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        container.end()
