"""When a provider is asked again: how often, and how long to wait between."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime

from reachgym.envs.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long one search is tried.

    Waits are drawn evenly between 0 and `first_s * 2**n` after the n-th failure (full jitter,
    Brooker 2015), unless the provider says how long to wait.

    Attributes:
        attempts: Requests at most.
        total_s: Seconds for all of them, waits included.
        request_s: Seconds for one of them.
        first_s: The longest wait after the first failure.
        longest_s: The longest wait that is drawn.
    """

    attempts: int = 4
    total_s: float = 60.0
    request_s: float = 20.0
    first_s: float = 1.0
    longest_s: float = 15.0

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing to try.

        Raises:
            ConfigError: One is not above 0.
        """
        for name, value in asdict(self).items():
            # Written so that NaN is refused as well.
            if not value > 0:
                raise ConfigError(f"expected {name} > 0, got {value}; give it room")

    def backoff_s(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        most_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return random.uniform(0.0, most_s)


def wait_asked_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks to wait; None where it does not say.

    `Retry-After` holds seconds or a date (RFC 9110, section 10.2.3). Brave tells instead, for each
    of its windows, what is left of it and when it ends: `x-ratelimit-remaining: 0, 900` and
    `x-ratelimit-reset: 1, 1419704`.
    """
    asked = headers.get("retry-after")
    if asked is not None:
        seconds = _number(asked)
        return _until_s(asked) if seconds is None else seconds
    left = map(_number, headers.get("x-ratelimit-remaining", "").split(","))
    resets = map(_number, headers.get("x-ratelimit-reset", "").split(","))
    spent = [reset for rest, reset in zip(left, resets, strict=False) if rest == 0]
    return max((reset for reset in spent if reset is not None), default=None)


def _number(text: str) -> float | None:
    """A number that is not negative."""
    return float(text) if re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", text, re.ASCII) else None


def _until_s(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
