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
    output_bytes: int = 16 * 2**10
    processes: int = 64
    file_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What one execution left behind.

    Attributes:
        outcome: Exited by itself, ran into the deadline, or was killed by a limit or a signal.
        exit_code: The exit status, or the negative signal number.
        stdout: The beginning of standard output, decoded with replacement characters.
        stderr: The end of standard error, likewise.
        truncated: Output went past its cap.
        seconds: Wall time.
    """

    outcome: Outcome
    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    seconds: float


class Sandbox(Protocol):
    """An isolated place in which Python code runs; nothing of one execution reaches the next."""

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

    def close(self) -> None:
        """End every process of the sandbox; calling it again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
