"""What a server may take, and what is remembered of it for error texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

# A JSON-RPC error's code for a reply that was cut while it was read; no server's codes look so.
TOO_LONG = 413

_STDERR_BYTES = 1500
_FAILED = 400


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may take.

    Attributes:
        start_s: Until it can be talked to.
        call_s: For one call.
        reply_bytes: For one message of it.
    """

    start_s: float
    call_s: float
    reply_bytes: int

    def too_long(self) -> str:
        """What the agent is told of a longer reply."""
        return f"the result is longer than {self.reply_bytes:,} bytes; ask for less"


@dataclass(slots=True)
class Traces:
    """What a connection left behind: why it ended, and the last of the server's stderr.

    Attributes:
        hide: Takes secrets out of a text.
        fault: Why it ended; empty if that is not known.
        ended: Whether it has.
        given_up: Whether nothing is expected of it any more, so that its end need not be awaited.
        status: The last HTTP status, 0 if there was none.
        has_session: Whether a server over HTTP gave this connection a session.
        strays: Lines of standard output that were no messages.
        stray: The last of them.
    """

    hide: Callable[[str], str]
    fault: str = ""
    ended: bool = False
    given_up: bool = False
    status: int = 0
    has_session: bool = False
    strays: int = 0
    stray: str = ""
    _stderr: bytes = field(default=b"")

    def end(self, fault: str) -> None:
        """It is over; the first reason counts."""
        if not self.ended:
            self.fault = fault
        self.ended = True

    def write(self, data: bytes) -> None:
        """Keep what the server wrote to its stderr, as far as it is new."""
        self._stderr = (self._stderr + data[-_STDERR_BYTES:])[-_STDERR_BYTES:]

    def told(self) -> str:
        """All that may help, in lines."""
        stderr = self._stderr.decode(errors="replace").strip()
        parts = [
            self.fault,
            f"it answered with the HTTP status {self.status}" if self.status >= _FAILED else "",
            f"its standard output has {self.strays} lines that are no messages, the last: "
            f"{self.stray!r}"
            if self.strays
            else "",
            f"its stderr ends:\n{stderr}" if stderr else "",
        ]
        return self.hide("; ".join(filter(None, parts)))
