"""Ends all processes below this one, where no process namespace does it.

Code in the sandbox cannot leave the process group that it was started in, so that one signal to
the group reaches all of them at once and a fork cannot outrun it. Whoever calls this has asked to
adopt orphans: what loses its parent becomes its child.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

# Children that tell nobody of their end are waited for as well.
_ALL_KINDS = 0x40000000


def children() -> list[int]:
    """The calling process's children, zombies included; it has one thread.

    Raises:
        OSError: The kernel does not list them, or /proc is not mounted.
    """
    pid = os.getpid()
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill() -> None:
    """Kill every process below this one, and bury none, so that no number can be another's."""
    own_group = os.getpgrp()
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            group = os.getpgid(pid)
            if group == own_group:
                os.kill(pid, signal.SIGKILL)
            else:
                os.killpg(group, signal.SIGKILL)


def end() -> None:
    """Kill and bury every process below this one; returns when none is left."""
    while found := children():
        kill()
        for pid in found:
            bury(pid)


def bury(pid: int) -> int:
    """Wait for the end of a child, and take its number back; returns its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, _ALL_KINDS)[1])


def bury_orphans(spare: int) -> None:
    """Take back the numbers of ended children but for one."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _ALL_KINDS):
            if ended.si_pid == spare:
                return
            bury(ended.si_pid)
