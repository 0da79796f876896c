"""Output of hostile code, read as it comes: beginning and end are kept, the middle is cut."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

_CHUNK_BYTES = 2**16


@dataclass(slots=True)
class CappedOutput:
    """One output stream, of which a fixed number of bytes is kept.

    Attributes:
        cap_bytes: How many, half of them from the beginning and half from the end.
    """

    cap_bytes: int
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)
    _cut_bytes: int = 0

    @property
    def truncated(self) -> bool:
        """Whether something was cut."""
        return self._cut_bytes > 0

    def read(self, fd: int) -> bool:
        """Take what is there; false at the stream's end, or where nothing waits."""
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self.add(chunk)
        return bool(chunk)

    def add(self, chunk: bytes) -> None:
        """Keep of `chunk` what has its place at the beginning or the end."""
        room = max(0, self.cap_bytes // 2 - len(self._head))
        self._head += chunk[:room]
        self._tail += chunk[room:]
        over = max(0, len(self._head) + len(self._tail) - self.cap_bytes)
        self._cut_bytes += over
        del self._tail[:over]

    @property
    def kept(self) -> bytes:
        """The bytes that were kept."""
        return bytes(self._head + self._tail)

    def text(self) -> str:
        """What was kept, decoded with replacement characters; says what is missing."""
        if not self._cut_bytes:
            return self.kept.decode(errors="replace")
        head, tail = (part.decode(errors="replace") for part in (self._head, self._tail))
        return f"{head}\n[{self._cut_bytes} bytes cut]\n{tail}"
