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
from reachgym.envs.sandbox.landlock.open_files import kept_open, most_on_its_way
from reachgym.envs.sandbox.memory_watch import descendants, held_bytes

_MEMORY_EVERY_S = 0.02
_SHORTEST_S, _LONGEST_S = 0.001, 0.02
# Of a session that has been at rest for so long, of which there may be many.
_RESTING_AFTER_S, _RESTING_S = 1.0, 0.2
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
        rests: What is watched may be at rest for long, and is then looked at less often.
        socket_bytes: What is on its way from a socket, at most; it counts as memory.
    """

    work: str
    memory_bytes: int
    file_bytes: int
    files: int
    threads: int
    rests: bool = False
    socket_bytes: int = field(default_factory=most_on_its_way)
    _due_s: float = field(default=0.0)
    _memory_due_s: float = field(default=0.0)
    _seen: tuple[int, ...] = field(default=())
    _changed_s: float = field(default=0.0)

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
            over = self._processes_hold_too_much(size_bytes, number)
            self._memory_due_s = started_s + _MEMORY_EVERY_S
        self._pace(self.file_bytes - size_bytes, time.monotonic() - started_s)
        return over

    def files_are_too_many(self) -> bool:
        """Look at the folder at the end, for what was written after the last look."""
        try:
            size_bytes, number = folder.usage(self.work, self.files)
        except OSError:
            return True
        return size_bytes > self.file_bytes or number > self.files

    def _processes_hold_too_much(self, size_bytes: int, number: int) -> bool:
        # Among many that run, this process gets little time: the quickest look comes first.
        pids = descendants(os.getpid(), most=self.threads)
        if len(pids) > self.threads or sum(map(_threads, pids)) > self.threads:
            return True
        kept = kept_open(pids, os.stat(self.work).st_dev)
        memory_bytes = held_bytes(os.getpid()) + kept.sockets * self.socket_bytes
        seen = (size_bytes, number, memory_bytes, len(pids))
        if seen != self._seen:
            self._seen, self._changed_s = seen, time.monotonic()
        size_bytes += kept.unlinked_bytes
        return memory_bytes > self.memory_bytes or size_bytes > self.file_bytes

    def _pace(self, left_bytes: int, at_least_s: float = 0.0) -> None:
        if self.rests and time.monotonic() - self._changed_s > _RESTING_AFTER_S:
            wait_s = _RESTING_S
        else:
            wait_s = min(_LONGEST_S, max(_SHORTEST_S, left_bytes / _BYTES_PER_S))
        # Looking may take no more than half of the time.
        self._due_s = time.monotonic() + max(wait_s, at_least_s)


def _threads(pid: int) -> int:
    """How many it has; none if it ended and waits for burial, be it the zygote's to bury."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[17])
