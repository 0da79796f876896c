"""Environments kept for reuse: making one is costly, resetting one is cheap."""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import Self

from reachgym.envs.registration import EnvRef, make
from reachgym.envs.tool_env import ToolEnv


class EnvPool:
    """Hands out environments by reference and keeps at most `capacity` idle ones.

    Used as a context manager it closes the idle ones at the end.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # By reference, those least recently used first: they are closed first.
        self._idle: OrderedDict[str, list[ToolEnv]] = OrderedDict()
        self._count = 0

    def take(self, ref: EnvRef) -> ToolEnv:
        """An idle environment of this reference, or a new one."""
        kept = self._idle.get(ref.text)
        if not kept:
            return make(ref)
        self._count -= 1
        return kept.pop()

    def give(self, ref: EnvRef, env: ToolEnv) -> None:
        """Take an environment back that is fit for another episode."""
        self._idle.setdefault(ref.text, []).append(env)
        self._idle.move_to_end(ref.text)
        self._count += 1
        while self._count > self._capacity:
            self._close_oldest()

    def close(self) -> None:
        """Close every idle environment."""
        while self._count:
            self._close_oldest()

    def _close_oldest(self) -> None:
        text, kept = next(iter(self._idle.items()))
        if kept:
            self._count -= 1
            kept.pop().close()
        if not kept:
            del self._idle[text]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
