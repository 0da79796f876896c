"""Gymnasium spaces of texts and messages: any Unicode, nothing enumerated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TypeVar, get_args

import numpy as np
from gymnasium import Space

from reachgym.envs.types import Message, Role, ToolCall

T_co = TypeVar("T_co", covariant=True)

_SAMPLE_CHARS = tuple("abcXYZ 019.,?é漢🙂\n")
_ROLES: tuple[Role, ...] = get_args(Role)
_LONGEST_SAMPLE = 16
_MOST_MESSAGES = 3


class _ValueSpace(Space[T_co]):
    """A space of values that are no arrays, and that vectorise as tuples."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Texts do not flatten into arrays."""
        return False

    def _sample_text(self) -> str:
        length = int(self.np_random.integers(_LONGEST_SAMPLE + 1))
        return "".join(self.np_random.choice(_SAMPLE_CHARS, size=length))


class TextSpace(_ValueSpace[str]):
    """Any text."""

    def sample(self, mask: object = None, probability: object = None) -> str:
        """A short text of random characters, some of them far from ASCII."""
        return self._sample_text()

    def contains(self, x: object) -> bool:
        """Whether `x` is a text."""
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace)

    def __hash__(self) -> int:
        return hash(TextSpace)

    def __repr__(self) -> str:
        return "TextSpace()"


class MessageSpace(_ValueSpace[Message]):
    """One message; `role` narrows it to messages of that role."""

    def __init__(self, role: Role | None = None, seed: int | None = None) -> None:
        super().__init__(seed)
        self.role = role
        self._roles = (role,) if role else _ROLES

    def sample(self, mask: object = None, probability: object = None) -> Message:
        """A short message without tool calls, its text as `TextSpace` draws it."""
        role = self._roles[int(self.np_random.integers(len(self._roles)))]
        return Message(role, self._sample_text())

    def contains(self, x: object) -> bool:
        """Whether `x` is a well-formed message of the space's role."""
        return (
            isinstance(x, Message) and x.role in self._roles and _are_parts(x.content, x.tool_calls)
        )

    def to_jsonable(self, sample_n: Iterable[Message]) -> list[Any]:
        """Messages as JSON objects."""
        return [asdict(message) for message in sample_n]

    def from_jsonable(self, sample_n: Iterable[Any]) -> list[Message]:
        """Messages from what `to_jsonable` gave."""
        return [_message(fields) for fields in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageSpace) and self.role == other.role

    def __hash__(self) -> int:
        return hash((MessageSpace, self.role))

    def __repr__(self) -> str:
        return f"MessageSpace({self.role!r})"


class ConversationSpace(_ValueSpace[tuple[Message, ...]]):
    """A sequence of messages of any roles, the empty one included."""

    def __init__(self, seed: int | None = None) -> None:
        self._message = MessageSpace()
        super().__init__(seed)
        if seed is not None:
            self.seed(seed)

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
        """Conversations as arrays of JSON objects."""
        return [self._message.to_jsonable(conversation) for conversation in sample_n]

    def from_jsonable(self, sample_n: Iterable[Any]) -> list[tuple[Message, ...]]:
        """Conversations from what `to_jsonable` gave."""
        return [tuple(self._message.from_jsonable(conversation)) for conversation in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConversationSpace)

    def __hash__(self) -> int:
        return hash(ConversationSpace)

    def __repr__(self) -> str:
        return "ConversationSpace()"


def _message(fields: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(**call) for call in fields["tool_calls"])
    return Message(**{**fields, "tool_calls": calls})


def _are_parts(content: object, calls: object) -> bool:
    return (
        isinstance(content, str)
        and isinstance(calls, tuple)
        and all(isinstance(call, ToolCall) for call in calls)
    )
