"""How long a server asks to wait: `Retry-After` and `x-ratelimit-*` headers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_PIECE.pattern})+")
_ALLOWANCES = ("requests", "tokens")


def wait_asked_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next request; None where the server does not say.

    `Retry-After` holds seconds or a date (RFC 9110, section 10.2.3); some servers send
    `retry-after-ms` as well, which is finer.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    if asked is None:
        return exhausted_s(headers)
    seconds = _number(asked)
    return _until_s(asked) if seconds is None else seconds


def exhausted_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until an allowance that is used up is filled again; None where none is used up."""
    waits = [
        wait
        for name in _ALLOWANCES
        if _number(headers.get(f"x-ratelimit-remaining-{name}")) == 0
        and (wait := _duration_s(headers.get(f"x-ratelimit-reset-{name}"))) is not None
    ]
    return max(waits, default=None)


def _number(text: str | None) -> float | None:
    """A number that is not negative."""
    if text is None or not re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return None
    return float(text)


def _duration_s(text: str | None) -> float | None:
    """Seconds in a duration like `6m0s`, `20ms` or `1.5`."""
    if text is None:
        return None
    if _DURATION.fullmatch(text.strip()):
        return sum(float(size) * _UNITS_S[unit] for size, unit in _PIECE.findall(text))
    return _number(text)


def _until_s(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
