"""Gymnasium spaces of messages: any Unicode text, nothing enumerated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
from gymnasium import Space

from reachgym.envs.types import Message, Role

_SAMPLE_CHARS = "abcXYZ 019.,?é漢🙂\n"
_ROLES: tuple[Role, ...] = get_args(Role)
_LONGEST_SAMPLE = 16
_MOST_MESSAGES = 3


class MessageSpace(Space[Message]):
    """One message; `role` narrows it to messages of that role."""

    def __init__(self, role: Role | None = None, seed: int | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)
        self.role = role

    @property
    def is_np_flattenable(self) -> bool:
        """Texts do not flatten into arrays."""
        return False

    def sample(self, mask: object = None, probability: object = None) -> Message:
        """A short message of random characters, some of them far from ASCII."""
        length = int(self.np_random.integers(_LONGEST_SAMPLE))
        letters = self.np_random.choice(list(_SAMPLE_CHARS), size=length)
        role = self.role or _ROLES[int(self.np_random.integers(len(_ROLES)))]
        return Message(role, "".join(letters))

    def contains(self, x: object) -> bool:
        """Whether `x` is a message of the space's role."""
        return isinstance(x, Message) and x.role in ((self.role,) if self.role else _ROLES)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageSpace) and self.role == other.role

    def __hash__(self) -> int:
        return hash((MessageSpace, self.role))

    def __repr__(self) -> str:
        return f"MessageSpace({self.role!r})"


class ConversationSpace(Space[tuple[Message, ...]]):
    """A sequence of messages of any roles."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)
        self._message = MessageSpace()

    @property
    def is_np_flattenable(self) -> bool:
        """Texts do not flatten into arrays."""
        return False

    def seed(self, seed: int | None = None) -> int:
        """Seed the space and the space of its messages."""
        used = super().seed(seed)
        self._message.seed(int(np.random.default_rng(used).integers(2**31)))
        return used

    def sample(self, mask: object = None, probability: object = None) -> tuple[Message, ...]:
        """Up to three random messages."""
        count = int(self.np_random.integers(_MOST_MESSAGES + 1))
        return tuple(self._message.sample() for _ in range(count))

    def contains(self, x: object) -> bool:
        """Whether `x` is a tuple of messages."""
        return isinstance(x, tuple) and all(self._message.contains(item) for item in x)

    def to_jsonable(self, sample_n: Iterable[tuple[Message, ...]]) -> list[Any]:
        """Conversations as they are: a message is already plain data."""
        return list(sample_n)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConversationSpace)

    def __hash__(self) -> int:
        return hash(ConversationSpace)

    def __repr__(self) -> str:
        return "ConversationSpace()"
