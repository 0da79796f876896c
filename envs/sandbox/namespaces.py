"""The embedded sandbox level: Linux namespaces around a warm interpreter that forks."""

from __future__ import annotations

import marshal
import os
import struct
import threading
import time
import weakref
from pathlib import PurePosixPath
from typing import Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import guard, launch, wire
from reachgym.envs.sandbox.collect import Collected, collect
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits

_SIGKILLED = -9


class NamespacesSandbox:
    """Runs Python in children of one zygote, each in namespaces of its own.

    A zygote that died is replaced at the next call. One execution runs at a time; threads that
    share a sandbox wait for each other. A forked process must make its own.

    Args:
        limits: What one execution may use.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self._limits = limits or SandboxLimits()
        self._lock = threading.Lock()
        self._owner_pid = os.getpid()
        self._closed = False
        self._slot: launch.Slot | None = None
        self._start()
        try:
            # A machine may refuse what only an execution asks for; better now than later.
            self.exec("")
        except SandboxError:
            self.close()
            raise

    @property
    def level(self) -> str:
        """Always `"namespaces"`."""
        return "namespaces"

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` as a main module; see `Sandbox.exec`.

        Raises:
            SandboxError: The sandbox was closed, belongs to another process, or broke.
            InputError: A file lies outside the working directory, or they are too large.
        """
        request = marshal.dumps((code, _checked(files or {}, self._limits.file_bytes)))
        if os.getpid() != self._owner_pid:
            raise SandboxError("expected the process that made this sandbox, got a fork of it")
        with self._lock:
            if self._closed:
                raise SandboxError("expected an open sandbox, got a closed one: make a new one")
            slot = self._slot or self._start()
            started_s = time.monotonic()
            try:
                collected = collect(slot, request, self._limits)
            except (wire.ClosedError, OSError) as error:
                return self._died(error, time.monotonic() - started_s)
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self._stop()
                raise
            return self._result(collected, time.monotonic() - started_s)

    def close(self) -> None:
        """End every process of the sandbox; calling it again does nothing."""
        if os.getpid() == self._owner_pid:
            with self._lock:
                self._closed = True
                self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> launch.Slot:
        self._slot = launch.start(self._limits)
        # Runs at the interpreter's exit too, and when the sandbox is forgotten unclosed.
        self._finalizer = weakref.finalize(self, _end, self._slot, self._owner_pid)
        return self._slot

    def _stop(self) -> tuple[int, str]:
        self._slot = None
        return self._finalizer() or (0, "")

    def _died(self, error: Exception, seconds: float) -> ExecResult:
        status, words = self._stop()
        if status != guard.OUT_OF_MEMORY:
            raise SandboxError(
                f"expected the sandbox to answer, but it died ({words or str(error) or 'killed'});"
                " the next call starts a new one"
            ) from error
        return ExecResult(Outcome.KILLED, _SIGKILLED, "", "", False, seconds)

    def _result(self, collected: Collected, seconds: float) -> ExecResult:
        exit_code = _SIGKILLED
        outcome = Outcome.TIMEOUT if collected.timed_out else Outcome.KILLED
        if collected.reply == wire.BROKEN:
            self._stop()
            words = collected.payload.decode(errors="replace")
            raise SandboxError(f"the sandbox could not prepare an execution: {words}")
        if collected.reply == wire.FINISHED:
            (exit_code,) = struct.unpack("<i", collected.payload)
            outcome = Outcome.EXITED if exit_code >= 0 else Outcome.KILLED
        return ExecResult(outcome, exit_code, *collected.decoded(), collected.truncated, seconds)


def _end(slot: launch.Slot, owner_pid: int) -> tuple[int, str]:
    return slot.end() if os.getpid() == owner_pid else (0, "")


def _checked(files: dict[str, bytes], file_bytes: int) -> dict[str, bytes]:
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
            raise InputError(
                f"expected file paths inside the working directory, got {name!r}: give a relative"
                " path without '..'"
            )
    size = sum(map(len, files.values()))
    if size > file_bytes:
        raise InputError(f"expected at most {file_bytes} bytes of files, got {size}")
    return files
