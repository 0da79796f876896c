"""A sandbox around a warm interpreter that forks, seen from the supervisor."""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import struct
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import guard, launch, wire
from reachgym.envs.sandbox.collect import Collected, collect
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits
from reachgym.envs.sandbox.zygote_session import ZygoteSession

_SIGKILLED = -9
_HAND_OVER_S = 10.0


class ZygoteSandbox(ABC):
    """Runs Python in children of one zygote; levels differ in what confines them.

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
    @abstractmethod
    def level(self) -> str:
        """The isolation that it gives."""

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run `code` as a main module; see `Sandbox.exec`.

        Raises:
            SandboxError: The sandbox was closed, belongs to another process, or broke.
            InputError: A file lies outside the working directory or cannot be written, or they are
                too large.
        """
        request = marshal.dumps((code, checked_files(files or {}, self._limits.file_bytes)))
        if os.getpid() != self._owner_pid:
            raise SandboxError("expected the process that made this sandbox, got a fork of it")
        with self._lock:
            if self._closed:
                raise SandboxError("expected an open sandbox, got a closed one: make a new one")
            if self._slot is not None and self._slot.ended:
                self._stop()
            slot = self._slot or self._start()
            started_s = time.monotonic()
            try:
                hand_over = partial(_hand_over, slot.control, request)
                collected = collect(slot, slot.control, hand_over, self._limits)
            except (wire.ClosedError, OSError) as error:
                return self._died(error, time.monotonic() - started_s)
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self._stop()
                raise
            return self._result(collected, time.monotonic() - started_s)

    @abstractmethod
    def open_session(self) -> ZygoteSession:
        """Open a session with processes, limits and files of its own; see `Sandbox`."""

    def close(self) -> None:
        """End every process of the sandbox; calling it again does nothing. Sessions stay."""
        if os.getpid() == self._owner_pid:
            with self._lock:
                self._closed = True
                self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> launch.Slot:
        self._slot = self._launch()
        # Runs at the interpreter's exit too, and when the sandbox is forgotten unclosed.
        self._finalizer = weakref.finalize(self, _end, self._slot, self._owner_pid)
        return self._slot

    @abstractmethod
    def _launch(self) -> launch.Slot:
        """Start its processes."""

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
        if collected.reply == wire.REFUSED:
            raise InputError(collected.payload.partition(b"\0")[0].decode(errors="replace"))
        if collected.reply == wire.FINISHED:
            (exit_code,) = struct.unpack("<i", collected.payload)
            outcome = Outcome.EXITED if exit_code >= 0 else Outcome.KILLED
        return collected.result(outcome, exit_code, seconds)


def _hand_over(control: socket.socket, request: bytes, outputs: Sequence[int]) -> None:
    """Give the zygote the execution's descriptors, then the request to whoever got them."""
    near, far = socket.socketpair()
    with near:
        with far:
            wire.send(control, wire.RUN, fds=(far.fileno(), *outputs))
        near.settimeout(_HAND_OVER_S)
        # A child that died meanwhile is the zygote's to report.
        with contextlib.suppress(ConnectionError):
            near.sendall(request)


def _end(slot: launch.Slot, owner_pid: int) -> tuple[int, str]:
    return slot.end() if os.getpid() == owner_pid else (0, "")
