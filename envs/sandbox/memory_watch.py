"""Memory of a sandbox's processes together, for machines where no control group counts it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# What is no file's: memory of its own, and memory that processes share. The latter counts once for
# each process that has it, so that none of it can be hidden.
_COUNTED = ("RssAnon:", "RssShmem:")


def held_bytes(zygote_pid: int) -> int:
    """Bytes that all descendants of the zygote hold beyond what they share with it."""
    baseline = _held(zygote_pid)
    return sum(max(0, _held(pid) - baseline) for pid in descendants(zygote_pid))


def descendants(pid: int, most: int | None = None) -> list[int]:
    """Processes below a process, zombies included; past `most` no further ones are looked for."""
    found = _children(pid)
    # The list grows as it is gone through.
    for below in found:
        if most is not None and len(found) > most:
            break
        found += _children(below)
    return found


def _held(pid: int) -> int:
    """Resident bytes that are no file's; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_COUNTED))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    # The kernel lists children by the thread that made them; each may end meanwhile.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
                found += map(int, words)
    return found
