"""Looks after what no kernel bounds at this level: memory, processes and files taken together.

It looks again and again, so what is taken faster than that is noticed late: of files, about what
can be written in the time between two looks, which gets shorter the nearer the limit is.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reachgym.envs.sandbox.landlock import folder
from reachgym.envs.sandbox.memory_watch import descendants, held_bytes

_MEMORY_EVERY_S = 0.02
_SHORTEST_S, _LONGEST_S = 0.001, 0.02
# Faster than files are written.
_BYTES_PER_S = 2**31


@dataclass(slots=True)
class Watch:
    """Watches the descendants of the calling process, and one folder.

    Attributes:
        work: The folder.
        memory_bytes: Limit on memory.
        file_bytes: Limit on space for files.
        files: Limit on the number of files and folders.
        threads: Limit on the number of processes and threads.
    """

    work: str
    memory_bytes: int
    file_bytes: int
    files: int
    threads: int
    _due_s: float = field(default=0.0)
    _memory_due_s: float = field(default=0.0)

    def start(self) -> None:
        """Something begins to run; nothing has been taken yet."""
        self._memory_due_s = time.monotonic() + _MEMORY_EVERY_S
        self._pace(self.file_bytes)

    @property
    def wait_s(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._due_s - time.monotonic())

    def sees_too_much(self) -> bool:
        """Look, when it is time; returns whether a limit was passed."""
        if self.wait_s:
            return False
        started_s = time.monotonic()
        try:
            size_bytes, number = folder.usage(self.work, self.files)
        except OSError:
            # Files that cannot be counted are too many.
            return True
        over = size_bytes > self.file_bytes or number > self.files
        if not over and started_s >= self._memory_due_s:
            over = self._processes_hold_too_much(self.file_bytes - size_bytes)
            self._memory_due_s = started_s + _MEMORY_EVERY_S
        self._pace(self.file_bytes - size_bytes, time.monotonic() - started_s)
        return over

    def _processes_hold_too_much(self, file_bytes: int) -> bool:
        pids = descendants(os.getpid())
        return (
            held_bytes(os.getpid()) > self.memory_bytes
            or sum(map(_threads, pids)) > self.threads
            or unlinked_bytes(pids, os.stat(self.work).st_dev) > file_bytes
        )

    def _pace(self, left_bytes: int, at_least_s: float = 0.0) -> None:
        wait_s = min(_LONGEST_S, max(_SHORTEST_S, left_bytes / _BYTES_PER_S))
        # Looking may take no more than half of the time.
        self._due_s = time.monotonic() + max(wait_s, at_least_s)


def unlinked_bytes(pids: list[int], device: int) -> int:
    """Bytes on disk of files without a name that processes have open or mapped.

    Args:
        pids: The processes; descriptors that are on their way from one to another are not seen.
        device: The file system.
    """
    held: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for inode, size_bytes in (*_open_unlinked(pid, device), *_mapped_unlinked(pid, device)):
                held[inode] = max(size_bytes, held.get(inode, 0))
    return sum(held.values())


def _open_unlinked(pid: int, device: int) -> Iterator[tuple[int, int]]:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            about = os.stat(f"/proc/{pid}/fd/{name}")
            if about.st_nlink == 0 and about.st_dev == device and stat.S_ISREG(about.st_mode):
                yield about.st_ino, about.st_blocks * folder.BLOCK_BYTES


def _mapped_unlinked(pid: int, device: int) -> Iterator[tuple[int, int]]:
    """How much is in them nobody tells, so all that is mapped counts."""
    for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines():
        if line.endswith(b" (deleted)"):
            span, _, _, number, inode, _ = line.split(maxsplit=5)
            major, minor = (int(part, 16) for part in number.split(b":"))
            if os.makedev(major, minor) == device:
                start, end = (int(part, 16) for part in span.split(b"-"))
                yield int(inode), end - start


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0
