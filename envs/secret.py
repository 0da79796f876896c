"""A key that a server asks for: read from the environment, shown to nobody."""

from __future__ import annotations

import hmac
import os
from typing import NoReturn

from reachgym.envs.errors import ConfigError

_REDACTED = "[redacted]"
# Servers without keys are given placeholders such as "EMPTY", which are words in other texts, too.
_SHORTEST_SECRET = 8


class Secret:
    """A key that can be sent and nothing else: it has no text and does not travel."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def from_environment(cls, name: str | None) -> Secret | None:
        """The key that a variable holds; None without a variable or where it is not set.

        Raises:
            ConfigError: The variable holds what no HTTP header can carry.
        """
        value = os.environ.get(name, "").strip() if name else ""
        if not value:
            return None
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(
                f"expected printable ASCII in the environment variable {name}, got other "
                "characters; set it to the key alone"
            )
        return cls(value)

    def in_header(self, prefix: str) -> str:
        """The value of the header that carries it."""
        return prefix + self._value

    def is_in_header(self, value: str, prefix: str) -> bool:
        """Whether a header carries it; takes as long for a wrong one as for the right one."""
        return hmac.compare_digest(value.encode(), self.in_header(prefix).encode())

    def redact(self, text: str) -> str:
        """The text without the key; placeholders of a few letters are left where they are."""
        if len(self._value) < _SHORTEST_SECRET:
            return text
        return text.replace(self._value, _REDACTED)

    def __repr__(self) -> str:
        return "Secret([redacted])"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a key does not travel; carry the name of its environment variable, and read it there"
        )
