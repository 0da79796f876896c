"""Passes on to the supervisor what code in a container writes."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence

from reachgym.envs.sandbox.docker import frames

CHUNK_BYTES = 2**16
_LARGEST_PIPE_BYTES = 2**20


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

    def finish(self, kind: bytes, payload: bytes) -> None:
        """Pass on what was written until now, then the reply, and take no more."""
        waiting = [
            frames.pack(self._kinds[fd], chunk) for fd in self._open for chunk in _written(fd)
        ]
        for fd in self._kinds:
            os.close(fd)
        # In one piece, which wakes everyone on the way once.
        _write(b"".join(waiting) + frames.pack(kind, payload))

    def _pass_on(self, fd: int) -> bool:
        chunk = os.read(fd, CHUNK_BYTES)
        if chunk:
            send(self._kinds[fd], chunk)
        return bool(chunk)


def _written(fd: int) -> Iterator[bytes]:
    """What a pipe holds; whoever still writes to it is not waited for."""
    os.set_blocking(fd, False)
    for _ in range(_LARGEST_PIPE_BYTES // CHUNK_BYTES):
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            return
        yield chunk


def send(kind: bytes, payload: bytes = b"") -> None:
    """Send the supervisor one frame."""
    _write(frames.pack(kind, payload))


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
