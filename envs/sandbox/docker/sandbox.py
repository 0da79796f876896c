"""The sandbox level that Docker gives, with containers of its own kind (runc) or of gVisor."""

from __future__ import annotations

import contextlib
import marshal
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.collect import KILL, Collected
from reachgym.envs.sandbox.docker import container as containers
from reachgym.envs.sandbox.docker.call import follow
from reachgym.envs.sandbox.docker.container import Container, EndedError, Runtime
from reachgym.envs.sandbox.docker.engine import Engine, connect
from reachgym.envs.sandbox.docker.image import find_image
from reachgym.envs.sandbox.docker.owner import sweep
from reachgym.envs.sandbox.docker.session import DockerSession
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits

_SIGKILLED = -9
_TIDYING_S = 10.0


class DockerSandbox:
    """Runs Python in children of one warm container's first process.

    A container that cannot be as clean as before is replaced by one in reserve. One execution runs
    at a time; threads that share a sandbox wait for each other. A forked process must make its own.

    Args:
        limits: What one execution may use.
        runtime: `"runc"`, or `"runsc"` for gVisor, whose own kernel serves the code.
        image: One that the engine has, with a `python3` of 3.11 or newer; None for one that is made
            of this machine's own Python, on Linux.

    Raises:
        SandboxError: No engine gives the isolation; the text says what to do.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        runtime: Runtime = "runc",
        image: str | None = None,
    ) -> None:
        self._limits = limits or SandboxLimits()
        self._runtime: Runtime = runtime
        self._engine = connect(runtime)
        self._image = find_image(self._engine, image)
        sweep(self._engine.api)
        self._lock = threading.Lock()
        self._owner_pid = os.getpid()
        start = partial(containers.start, self._engine, self._image, self._limits, runtime)
        self._warm = _Warm(start)
        # Runs at the interpreter's exit too, and when the sandbox is forgotten unclosed.
        self._finalizer = weakref.finalize(self, _end, self._warm, self._engine, self._owner_pid)
        try:
            # An image may lack what only an execution asks for; better now than later.
            self.exec("")
        except BaseException:
            self.close()
            raise

    @property
    def level(self) -> str:
        """`"docker"`, or `"docker-gvisor"`."""
        return "docker" if self._runtime == "runc" else "docker-gvisor"

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` as a main module; see `Sandbox.exec`.

        Raises:
            SandboxError: The sandbox was closed, belongs to another process, or broke.
            InputError: A file lies outside the working directory or cannot be written, or they are
                too large.
        """
        checked = checked_files(files or {}, self._limits.file_bytes)
        request = marshal.dumps((code, checked))
        if os.getpid() != self._owner_pid:
            raise SandboxError("expected the process that made this sandbox, got a fork of it")
        with self._lock:
            if not self._finalizer.alive:
                raise SandboxError("expected an open sandbox, got a closed one: make a new one")
            container = self._warm.take()
            started_s = time.monotonic()
            try:
                container.send(wire.RUN, request)
                collected = follow(container, self._limits, (KILL,))
            except EndedError as error:
                return self._died(container, error, time.monotonic() - started_s)
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self._warm.drop()
                raise
            return self._result(collected, time.monotonic() - started_s)

    def open_session(self) -> DockerSession:
        """Open a session in a container of its own; see `Sandbox`."""
        return DockerSession(self._engine, self._image, self._limits, self._runtime)

    def close(self) -> None:
        """End every process of the sandbox; calling it again does nothing. Sessions stay."""
        if os.getpid() == self._owner_pid:
            with self._lock:
                self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _died(self, container: Container, error: EndedError, seconds: float) -> ExecResult:
        # Asked before it is removed, which may look like an end that somebody wanted.
        out_of_memory = container.ran_out_of_memory()
        self._warm.drop()
        if not out_of_memory:
            raise SandboxError(
                f"expected the container to answer, but it ended ({str(error) or 'killed'});"
                " the next call uses a new one"
            ) from error
        return ExecResult(Outcome.KILLED, _SIGKILLED, "", "", False, seconds)

    def _result(self, collected: Collected, seconds: float) -> ExecResult:
        if collected.reply == wire.REFUSED:
            raise InputError(collected.payload.partition(b"\0")[0].decode(errors="replace"))
        if collected.reply != wire.FINISHED:
            self._warm.drop()
            words = collected.payload.decode(errors="replace")
            raise SandboxError(f"the sandbox could not prepare an execution: {words}")
        (exit_code,) = struct.unpack("<i", collected.payload)
        outcome = Outcome.EXITED if exit_code >= 0 else Outcome.KILLED
        if collected.timed_out:
            outcome = Outcome.TIMEOUT
        return collected.result(outcome, exit_code, seconds)


class _Warm:
    """The container in use, and from its first use on another in reserve."""

    def __init__(self, start: Callable[[], Container]) -> None:
        self._start = start
        self._starter = ThreadPoolExecutor(1, "container-reserve")
        self._reserve: Future[Container] | None = None
        self._current: Container | None = start()
        self._ready = True

    def take(self) -> Container:
        """One that is as clean as a fresh one, and that nothing was asked of yet."""
        while True:
            current, fresh = self._current or self._replace(), self._ready
            self._ready = False
            if self._reserve is None and not fresh:
                self._reserve = self._starter.submit(self._start)
            try:
                tidied = fresh or current.receive(time.monotonic() + _TIDYING_S) is not None
                # One that died since says so at once.
                if tidied and current.receive(0.0) is None:
                    return current
            except EndedError:
                pass
            self.drop()

    def drop(self) -> None:
        """End the one in use; the next call gets another."""
        current, self._current = self._current, None
        if current is not None:
            current.end()

    def end(self) -> None:
        """End both."""
        self.drop()
        if self._reserve is not None and not self._reserve.cancel():
            with contextlib.suppress(SandboxError):
                self._reserve.result().end()
        self._starter.shutdown()

    def _replace(self) -> Container:
        reserve, self._reserve = self._reserve, None
        if reserve is not None:
            with contextlib.suppress(SandboxError):
                self._current = reserve.result()
        self._current = self._current or self._start()
        self._ready = True
        return self._current


def _end(warm: _Warm, engine: Engine, owner_pid: int) -> None:
    if os.getpid() == owner_pid:
        warm.end()
        # Idle connections alone; a session that is still open makes new ones.
        engine.api.close()
