"""Environments of one kind, kept for the next session: making one is costly, resetting cheap."""

from __future__ import annotations

import threading

from reachgym.envs.registration import EnvRef, make
from reachgym.envs.tool_env import ToolEnv


class Pool:
    """Hands environments out and takes them back; may be used by any thread.

    Args:
        ref: The environment.
        capacity: Idle ones that are kept at most.

    Raises:
        InputError: There is no such environment, or it does not take these arguments.
    """

    def __init__(self, ref: EnvRef, capacity: int) -> None:
        self._ref = ref
        self._capacity = capacity
        self._lock = threading.Lock()
        self._closed = False
        # One is made at once: what cannot be made should say so early.
        self._idle: list[ToolEnv] = [make(ref)]

    def take(self) -> ToolEnv:
        """An idle environment, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return make(self._ref)

    def give(self, env: ToolEnv) -> None:
        """Take one back, whatever its episode is at: what that holds open is ended."""
        env.close()
        with self._lock:
            if not self._closed and len(self._idle) < self._capacity:
                self._idle.append(env)

    def drop(self, env: ToolEnv) -> None:
        """End one that is fit for no other episode."""
        env.close()

    def close(self) -> None:
        """Keep none from now on."""
        with self._lock:
            self._closed = True
            self._idle.clear()
