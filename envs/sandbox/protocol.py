"""What every sandbox level offers, and the limits it holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self


class Outcome(StrEnum):
    """How one execution ended."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one execution may use.

    Attributes:
        wall_s: Deadline; past it everything in the execution is killed.
        memory_bytes: Memory of all processes of the execution together.
        output_bytes: Kept of standard output, and as much again of standard error; the rest is
            read and dropped.
        processes: Processes and threads alive at once.
        file_bytes: Space for files.
    """

    wall_s: float = 5.0
    memory_bytes: int = 256 * 2**20
    output_bytes: int = 32 * 2**10
    processes: int = 64
    file_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What one execution left behind.

    Attributes:
        outcome: Exited by itself, ran into the deadline, or was killed by a limit or a signal.
        exit_code: The exit status, or the negative signal number.
        stdout: Standard output, decoded with replacement characters; its middle is cut where it
            is longer than the cap, and says how much.
        stderr: Standard error, likewise.
        truncated: Output went past its cap.
        seconds: Wall time.
    """

    outcome: Outcome
    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    seconds: float


class Session(Protocol):
    """A place that remembers: a REPL's names and a working directory, for one episode."""

    @property
    def alive(self) -> bool:
        """Whether its processes are there, as far as can be told without asking them."""
        ...

    def run(self, code: str) -> ExecResult:
        """Run Python `code` where the calls before it left off.

        A call that passes the deadline is interrupted, and killed if that does not end it; then
        the names are gone, the files stay, and the next call starts a new REPL. Where too much
        memory ends more than that, the call counts as killed, the files are gone as well, and the
        next call finds an empty session.

        Raises:
            SandboxError: The sandbox itself failed; the code is not to blame.
        """
        ...

    def shell(self, command: str) -> ExecResult:
        """Run `command` in a shell of its own, in the session's working directory.

        A call that passes the deadline is killed; of memory see `run`.

        Raises:
            SandboxError: The sandbox itself failed, or has no shell.
        """
        ...

    def write(self, files: dict[str, bytes]) -> None:
        """Put files into the working directory.

        Raises:
            InputError: A path lies outside the working directory, or they are too large.
        """
        ...

    def read(self, path: str) -> bytes:
        """The content of a regular file of the working directory.

        Raises:
            InputError: There is none, it is a link out of the directory, or no regular file.
        """
        ...

    def branch(self) -> Session:
        """A session of its own with the same names and files, for another attempt from here.

        Raises:
            SandboxError: The session cannot be copied.
        """
        ...

    def close(self) -> None:
        """End every process of the session and remove its files; again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Sandbox(Protocol):
    """An isolated place in which code runs; nothing of one execution reaches the next."""

    @property
    def level(self) -> str:
        """The isolation that this sandbox gives, e.g. `"namespaces"`."""
        ...

    def exec(self, code: str, *, files: dict[str, bytes] | None = None) -> ExecResult:
        """Run Python `code` in a fresh isolated child, with `files` in its working directory.

        Raises:
            SandboxError: The sandbox itself failed; the code is not to blame.
        """
        ...

    def open_session(self) -> Session:
        """Open a session isolated from all others and from every execution.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        ...

    def close(self) -> None:
        """End every process of the sandbox; calling it again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
