"""What sessions of all levels have in common: their calls, and branches that repeat them."""

from __future__ import annotations

import marshal
import signal
import struct
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NoReturn, Self

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.collect import Collected
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits

_LOST = "out of memory: the session's names and files are gone"


def _encoded(text: str) -> bytes:
    """The text as UTF-8; lone surrogates, which JSON can hold and UTF-8 cannot, become `?`."""
    return text.encode(errors="replace")


class OutOfMemoryError(InputError):
    """The session's code took more memory than the session may have, and ended it."""


class SessionEndedError(Exception):
    """A session's processes are gone; its text is what they said last.

    Attributes:
        out_of_memory: Whether the kernel ended them for memory.
    """

    def __init__(self, words: str, *, out_of_memory: bool) -> None:
        super().__init__(words or "killed")
        self.out_of_memory = out_of_memory


class RepeatableSession(ABC):
    """A session that remembers what was asked of it.

    A branch repeats the calls made so far in a session of its own: names, files and open handles
    are then its own too. What depends on time or chance may come out differently there, and what
    was interrupted cannot be repeated.

    Args:
        limits: What one call may use; memory, processes and files count for the whole session.

    Raises:
        SandboxError: The level gives no session; the text says what is missing.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open()

    def run(self, code: str) -> ExecResult:
        """Run a cell; see `Session`."""
        return self._call(wire.CELL, _encoded(code))

    def shell(self, command: str) -> ExecResult:
        """Run a shell command; see `Session`."""
        return self._call(wire.SHELL, _encoded(command))

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files into the working directory; see `Session`."""
        checked = checked_files(files, self._limits.file_bytes)
        result = self._call(wire.WRITE, marshal.dumps(checked))
        if result.exit_code:
            raise InputError(result.stderr or "the files could not be written")

    def read(self, path: str) -> bytes:
        """A regular file of the working directory; see `Session`."""
        collected = self._collect(wire.READ, path.encode(), self._limits.file_bytes)
        exit_code, _ = struct.unpack("<i?", collected.payload)
        if exit_code or collected.stdout.truncated:
            raise InputError(collected.stderr.text() or f"{path!r} could not be read")
        return collected.stdout.kept

    def branch(self) -> Self:
        """A session in which the same calls were made; see `Session`."""
        if not self._repeatable:
            raise SandboxError(
                "expected a session of whole calls, but one was interrupted or killed half-way;"
                " branch before that, or open a new session"
            )
        copy = self._fresh()
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

    @abstractmethod
    def _fresh(self) -> Self:
        """Another session of this kind."""

    @abstractmethod
    def _start(self) -> weakref.finalize[..., Self]:
        """Start its processes; returns what ends them."""

    @abstractmethod
    def _opening(self) -> tuple[bytes, bytes]:
        """What the started processes say: the kind of their first frame, and its words."""

    @abstractmethod
    def _exchange(self, kind: bytes, payload: bytes, stdout_bytes: int | None) -> Collected:
        """Make one call and follow it to its end.

        Raises:
            SessionEndedError: The processes are gone.
        """

    def _open(self) -> None:
        self._calls: list[tuple[bytes, bytes]] = []
        self._repeatable = True
        self._finalizer = self._start()
        reply, words = self._opening()
        if reply != wire.READY:
            self.close()
            raise SandboxError(f"a session could not be opened: {words.decode(errors='replace')}")

    def _collect(self, kind: bytes, payload: bytes, stdout_bytes: int | None = None) -> Collected:
        """Make one call.

        Raises:
            OutOfMemoryError: It ended the session, which is empty now.
            SandboxError: The session ended otherwise, or is closed.
        """
        with self._lock:
            if not self._finalizer.alive:
                raise SandboxError("expected an open session, got a closed one: open a new one")
            try:
                collected = self._exchange(kind, payload, stdout_bytes)
            except SessionEndedError as ended:
                self._lose(ended)
            except BaseException:
                # Interrupted half-way: its reply must not be taken for the next one's.
                self.close()
                raise
            if collected.reply != wire.FINISHED:
                self.close()
                words = collected.payload.decode(errors="replace")
                raise SandboxError(f"the session broke: {words}")
            return collected

    def _lose(self, ended: SessionEndedError) -> NoReturn:
        self.close()
        if ended.out_of_memory:
            self._open()
            raise OutOfMemoryError(_LOST) from ended
        raise SandboxError(
            f"expected the session to answer, but it ended ({ended}), and its files with it;"
            " open a new one"
        ) from ended

    def _call(self, kind: bytes, payload: bytes) -> ExecResult:
        started_s = time.monotonic()
        try:
            collected = self._collect(kind, payload)
        except OutOfMemoryError as lost:
            seconds = time.monotonic() - started_s
            return ExecResult(Outcome.KILLED, -signal.SIGKILL, "", f"{lost}\n", False, seconds)
        seconds = time.monotonic() - started_s
        exit_code, alive = struct.unpack("<i?", collected.payload)
        outcome = Outcome.EXITED if exit_code >= 0 else Outcome.KILLED
        if collected.timed_out:
            outcome = Outcome.TIMEOUT
        if outcome is not Outcome.EXITED or (kind == wire.CELL and not alive):
            self._repeatable = False
        self._calls.append((kind, payload))
        return collected.result(outcome, exit_code, seconds)
