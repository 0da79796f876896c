"""The one thread of a process in which an event loop runs what is asynchronous."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Background:
    """A loop that starts when it is first needed; a forked child begins without one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="reachgym-mcp", daemon=True
                ).start()
            return self._loop

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._loop = None


_BACKGROUND = _Background()
os.register_at_fork(after_in_child=_BACKGROUND.forget)


def begin(work: Coroutine[Any, Any, _T]) -> Future[_T]:
    """Begin work in the background."""
    return asyncio.run_coroutine_threadsafe(work, _BACKGROUND.loop())


def run(work: Coroutine[Any, Any, _T], timeout_s: float | None = None) -> _T:
    """Do work in the background and wait for it; an interrupt cancels it.

    Raises:
        TimeoutError: It took longer.
    """
    future = begin(work)
    try:
        return future.result(timeout_s)
    except BaseException:
        future.cancel()
        raise
