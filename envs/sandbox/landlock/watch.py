"""Looks after what no kernel bounds at this level: memory, processes and files taken together.

It looks again and again, so what is taken faster than that is noticed late: of files, about what
can be written in the time between two looks, which gets shorter the nearer the limit is.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from reachgym.envs.sandbox.landlock import folder
from reachgym.envs.sandbox.memory_watch import held_bytes

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
    """

    work: str
    memory_bytes: int
    file_bytes: int
    files: int
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
        try:
            size_bytes, number = folder.usage(self.work)
        except OSError:
            # Files that cannot be counted are too many.
            return True
        self._pace(self.file_bytes - size_bytes)
        if size_bytes > self.file_bytes or number > self.files:
            return True
        if time.monotonic() < self._memory_due_s:
            return False
        held = held_bytes(os.getpid())
        self._memory_due_s = time.monotonic() + _MEMORY_EVERY_S
        return held > self.memory_bytes

    def _pace(self, left_bytes: int) -> None:
        wait_s = min(_LONGEST_S, max(_SHORTEST_S, left_bytes / _BYTES_PER_S))
        self._due_s = time.monotonic() + wait_s


def threads_of_user() -> int:
    """Threads of all processes that have the caller's user, which is what RLIMIT_NPROC counts."""
    wanted = str(os.getuid())
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path("/proc", name, "status").read_text()
            except OSError:
                continue
            uid = text.partition("\nUid:")[2].split(maxsplit=1)[0]
            if uid == wanted:
                count += int(text.partition("\nThreads:")[2].split(maxsplit=1)[0])
    return count
