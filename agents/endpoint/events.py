"""Server-sent events: the data of each, from bytes that are cut anywhere."""

from __future__ import annotations


class EventReader:
    """Splits a stream into the data of its events (WHATWG HTML, section 9.2)."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that end in this piece; comments and other fields are skipped."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        return [data for line in lines if (data := self._take(line.rstrip(b"\r"))) is not None]

    def close(self) -> list[bytes]:
        """The data of an event whose end the server did not send."""
        ended = [self._take(self._rest.rstrip(b"\r")), self._take(b"")]
        return [data for data in ended if data is not None]

    def _take(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            return data
        return None
