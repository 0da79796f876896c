"""Passes on to the supervisor what code in a container writes."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Sequence

from reachgym.envs.sandbox.docker import frames

CHUNK_BYTES = 2**16


class Relay:
    """Passes output on to the supervisor."""

    def __init__(self, readers: Sequence[int]) -> None:
        self._kinds = dict(zip(readers, (frames.STDOUT, frames.STDERR), strict=True))
        self._open = set(readers)

    def step(self, *others: int) -> set[int]:
        """Wait for something, pass on what is output; returns the others that are readable."""
        poll = select.poll()
        for fd in (*self._open, *others):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        for fd in ready & self._open:
            if not self._pass_on(fd):
                self._open.discard(fd)
        return ready & set(others)

    def finish(self) -> None:
        """Pass on what was written until now, and close."""
        for fd in self._open:
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                while self._pass_on(fd):
                    pass
        self.close()

    def close(self) -> None:
        """Take no more."""
        for fd in self._kinds:
            os.close(fd)

    def _pass_on(self, fd: int) -> bool:
        chunk = os.read(fd, CHUNK_BYTES)
        if chunk:
            send(self._kinds[fd], chunk)
        return bool(chunk)


def send(kind: bytes, payload: bytes = b"") -> None:
    """Send the supervisor one frame."""
    view = memoryview(frames.pack(kind, payload))
    while view:
        view = view[os.write(1, view) :]
