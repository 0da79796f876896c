"""Counts what a user runs, because the kernel's limit on processes counts all of it."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_COUNTED_ANEW_S = 0.25
# Orphans that ended and wait for burial count as well.
UNBURIED = 8


@dataclass(slots=True)
class ProcessLimit:
    """What RLIMIT_NPROC has to be so that one execution may run so many processes.

    The limit holds for all processes of the user together, of other sandboxes as well: what those
    start later takes away from it, what ends adds to it until it is counted anew.

    Attributes:
        processes: Processes and threads that one execution may run.
    """

    processes: int
    _user_threads: int = 0
    _counted_s: float = -_COUNTED_ANEW_S

    def value(self) -> int:
        """The limit; it rests on a count that may be a quarter of a second old."""
        if time.monotonic() - self._counted_s > _COUNTED_ANEW_S:
            self._user_threads = threads_of_user()
            self._counted_s = time.monotonic()
        wanted = self._user_threads + self.processes + UNBURIED
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def threads_of_user() -> int:
    """Threads of all processes that have the caller's user."""
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
