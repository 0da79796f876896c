"""Starts the processes of one sandbox of the landlock level, seen from the supervisor."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.landlock import folder, ruleset
from reachgym.envs.sandbox.landlock.filter import compile_filters
from reachgym.envs.sandbox.landlock.user_threads import UNBURIED
from reachgym.envs.sandbox.launch import BrokenStartError, Slot, open_guard, rlimits
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.sizes import INODES

_GUARD = "landlock.guard"
_WHY = {
    errno.ENOSYS: "its kernel was built without it: use Linux 6.2 or newer with"
    " CONFIG_SECURITY_LANDLOCK",
    errno.EOPNOTSUPP: "it was not enabled at boot: add landlock to the kernel's `lsm=` parameter",
}


@dataclass(frozen=True, slots=True)
class LandlockSlot(Slot):
    """The running processes of one sandbox, and their folder.

    Attributes:
        work: The folder that code writes to.
    """

    work: str

    def end(self) -> tuple[int, str]:
        """End all processes; returns the guard's exit status and last words."""
        status, words = Slot.end(self)
        if status < 0:
            # It was killed, and could not remove it.
            with contextlib.suppress(OSError):
                folder.remove(Path(self.work))
        return status, words


def start(limits: SandboxLimits, copies: Sequence[tuple[str, str]] = ()) -> LandlockSlot:
    """Start a guard and its zygote.

    Args:
        limits: What one execution may use.
        copies: Programs of the host that code may run, and where other levels put them.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """
    filters = compile_filters(checked_abi())
    try:
        process, control, about = open_guard(_GUARD, limits, _setup(limits, filters), copies)
    except BrokenStartError as error:
        raise SandboxError(
            "expected Landlock, seccomp and a readable /proc to be enough for a sandbox, but:"
            f" {error}. Code is never run without isolation."
        ) from error
    return LandlockSlot(process, control, **json.loads(about))


def checked_abi() -> int:
    """The version of Landlock's interface, if it can confine code.

    Raises:
        SandboxError: This machine has no Landlock, or one that is too old.
    """
    try:
        abi = ruleset.abi()
    except OSError as error:
        why = _WHY.get(error.errno or 0, os.strerror(error.errno or 0))
        raise SandboxError(
            f"expected Landlock on this machine, but {why}; or use another sandbox level"
        ) from error
    if abi < ruleset.OLDEST_ABI:
        raise SandboxError(
            f"expected version {ruleset.OLDEST_ABI} of Landlock's interface or newer, got {abi}:"
            " use Linux 6.2 or newer, or another sandbox level"
        )
    return abi


def _setup(limits: SandboxLimits, filters: tuple[bytes, bytes]) -> bytes:
    """What every execution of the zygote shares: a JSON line, then the filters."""
    first, second = filters
    watch = {
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
        "files": INODES,
        # A session's first process is one more.
        "threads": limits.processes + UNBURIED + 1,
    }
    setup = {
        # What the limit on processes is depends on what the user runs besides.
        "rlimits": [limit for limit in rlimits(limits) if limit[0] != resource.RLIMIT_NPROC],
        "processes": limits.processes,
        "watch": watch,
        "first_program_bytes": len(first),
    }
    return json.dumps(setup).encode() + b"\n" + first + second
