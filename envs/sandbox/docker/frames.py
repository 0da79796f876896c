"""Frames on the streams between the supervisor and the first process of a container."""

from __future__ import annotations

import struct

STDOUT, STDERR = b"1", b"2"
HEADER = struct.Struct("<cI")


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEADER.pack(kind, len(payload)) + payload


class FrameBuffer:
    """Takes a stream as it comes and gives its whole frames.

    Args:
        longest_bytes: The longest payload that is waited for.
    """

    def __init__(self, longest_bytes: int = 2**32) -> None:
        self._longest_bytes = longest_bytes
        self._waiting = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take what came."""
        self._waiting += chunk

    def next(self) -> tuple[bytes, bytes] | None:
        """The next frame's kind and payload, or nothing while it is not all there.

        Raises:
            ValueError: The frame is longer than any should be.
        """
        header = self.header()
        if header is None or len(self._waiting) < HEADER.size + header[1]:
            return None
        kind, length = header
        payload = bytes(self._waiting[HEADER.size : HEADER.size + length])
        del self._waiting[: HEADER.size + length]
        return kind, payload

    def header(self) -> tuple[bytes, int] | None:
        """The next frame's kind and length, once its header is there; takes nothing."""
        if len(self._waiting) < HEADER.size:
            return None
        kind, length = HEADER.unpack_from(self._waiting)
        if length > self._longest_bytes:
            raise ValueError(f"a frame of {length} bytes")
        return kind, length

    def take(self, most: int) -> bytes:
        """At most so many of the bytes that wait, as they are."""
        taken = bytes(self._waiting[:most])
        del self._waiting[:most]
        return taken
