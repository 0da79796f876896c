"""How often a provider is asked: one pace for all processes of a user on a machine."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from reachgym.envs.errors import ConfigError

# A clock that was set back, or a server that asks for more, holds nobody longer than this.
_LONGEST_HOLD_S = 3600.0


class Pace:
    """Turns that lie an interval apart, told in a small file that all processes lock.

    Args:
        name: What is asked; those of one name share their turns.
        interval_s: Seconds between two turns, 0 for none.
        root: The folder of the file.

    Raises:
        ConfigError: The file cannot be made, or belongs to another user.
    """

    def __init__(self, name: str, interval_s: float, root: Path) -> None:
        self._interval_s = interval_s
        self._path = root / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.next"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(self._open())
        except OSError as error:
            raise ConfigError(
                f"expected a folder for the pace of searches at {root}, got: {error.strerror}; set "
                "REACHGYM_CACHE to a folder that you can write to"
            ) from None

    def take(self, within_s: float) -> float | None:
        """Seconds until the next turn, which is then taken; None if it comes too late."""
        now_s = time.time()
        turn_s = self._exchange(
            lambda next_s: (
                max(next_s, now_s) + self._interval_s if next_s - now_s <= within_s else next_s
            )
        )
        wait_s = max(0.0, turn_s - now_s)
        return wait_s if wait_s <= within_s else None

    def hold(self, seconds: float) -> None:
        """Give nobody a turn for so long."""
        until_s = time.time() + seconds
        self._exchange(lambda next_s: max(next_s, until_s))

    def _exchange(self, change: Callable[[float], float]) -> float:
        """Change when the next turn is; returns when it was."""
        handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            next_s = _parsed(os.pread(handle, 64, 0))
            os.pwrite(handle, f"{change(next_s):<32.6f}".encode(), 0)
        finally:
            os.close(handle)
        return next_s

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self._path, flags, 0o600)
        found = os.fstat(handle)
        if found.st_uid != os.getuid() or not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise PermissionError(0, f"{self._path.name} is not this user's")
        return handle


def _parsed(text: bytes) -> float:
    try:
        next_s = float(text)
    except ValueError:
        return 0.0
    return min(next_s, time.time() + _LONGEST_HOLD_S) if math.isfinite(next_s) else 0.0
