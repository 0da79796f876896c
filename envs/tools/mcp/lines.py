"""Cuts a stream of bytes into lines of bounded length."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KEPT_BYTES = 200
# Servers write a message's id among its first keys or as its last one.
_ID_FIRST = re.compile(rb'^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d+)\s*,')
_ID_LAST = re.compile(rb',\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d+)\s*\}\s*$')


@dataclass(frozen=True, slots=True)
class LongLine:
    """What is kept of a line that is too long: its ends."""

    head: bytes
    tail: bytes

    @property
    def request_id(self) -> int | None:
        """The request that it answers, if that can be told."""
        match = _ID_FIRST.match(self.head) or _ID_LAST.search(self.tail)
        return int(match[1]) if match else None


class Lines:
    """Lines of at most so many bytes; of a longer one only the ends are held.

    Args:
        limit: Bytes of the longest line.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begin()

    def feed(self, data: bytes) -> list[bytes | LongLine]:
        """The lines that the next bytes bring to their ends."""
        *complete, rest = data.split(b"\n")
        ended = []
        for piece in complete:
            self._add(piece)
            ended.append(LongLine(self._head, self._tail) if self._long else b"".join(self._parts))
            self._begin()
        self._add(rest)
        return ended

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._long = False
        self._head = self._tail = b""

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if not self._long and self._size > self._limit:
            self._long = True
            piece = b"".join(self._parts) + piece
            self._head = piece[:_KEPT_BYTES]
            self._parts = []
        if self._long:
            self._tail = (self._tail + piece)[-_KEPT_BYTES:]
        elif piece:
            self._parts.append(piece)
