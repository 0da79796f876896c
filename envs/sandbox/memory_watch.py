"""Memory of a sandbox's processes together, for machines where no control group counts it."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def held_bytes(zygote_pid: int) -> int:
    """Bytes that all descendants of the zygote hold beyond what they share with it."""
    baseline = _private_pages(zygote_pid)
    pages = 0
    waiting = _children(zygote_pid)
    while waiting:
        pid = waiting.pop()
        pages += max(0, _private_pages(pid) - baseline)
        waiting += _children(pid)
    return pages * _PAGE_BYTES


def _private_pages(pid: int) -> int:
    """Resident pages that are no file's; 0 for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) - int(fields[2])


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
