"""A session of the Docker level: a container of its own."""

from __future__ import annotations

import os
import time
import weakref
from typing import Self

from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.collect import INTERRUPT, KILL, Collected
from reachgym.envs.sandbox.docker.call import follow
from reachgym.envs.sandbox.docker.container import Container, EndedError, Runtime, start
from reachgym.envs.sandbox.docker.engine import Engine
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.repeatable_session import RepeatableSession, SessionEndedError

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
        self._engine, self._image, self._runtime = engine, image, runtime
        super().__init__(limits)

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

    def _fresh(self) -> Self:
        return type(self)(self._engine, self._image, self._limits, self._runtime)

    def _start(self) -> weakref.finalize[..., Self]:
        self._container = start(self._engine, self._image, self._limits, self._runtime)
        return weakref.finalize(self, _end, self._container, os.getpid())

    def _opening(self) -> tuple[bytes, bytes]:
        try:
            self._container.send(wire.OPEN)
            return self._container.receive(time.monotonic() + _OPENING_S) or (b"", b"")
        except EndedError as error:
            return wire.BROKEN, str(error).encode()

    def _exchange(self, kind: bytes, payload: bytes, stdout_bytes: int | None) -> Collected:
        stops = (INTERRUPT, KILL)
        try:
            self._container.send(kind, payload)
            return follow(self._container, self._limits, stops, stdout_bytes=stdout_bytes)
        except EndedError as error:
            # Asked before it is removed, which may look like an end that somebody wanted.
            out_of_memory = self._container.ran_out_of_memory()
            raise SessionEndedError(str(error), out_of_memory=out_of_memory) from error


def _end(container: Container, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        container.end()
