"""Readers of decoded JSON that say where a value is wrong, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias, TypeVar

from reachgym.envs.types import JSON

T = TypeVar("T")

# Takes a decoded value and its place in the record.
Reader: TypeAlias = Callable[[object, str], T]

_LONGEST_QUOTE = 60
_INT32 = 2**31
_INT64 = 2**63


class FieldError(Exception):
    """A value of a record is not what it should be; whoever knows the file says where it lies."""

    def __init__(self, where: str, expected: str, came: object) -> None:
        quote = ascii(came)
        quote = quote if len(quote) <= _LONGEST_QUOTE else quote[:_LONGEST_QUOTE] + "..."
        super().__init__(f"{where or 'the record'} expects {expected}, got {quote}")


def record(make: Callable[..., T], **readers: Reader[Any]) -> Reader[T]:
    """Reads an object with exactly these keys and hands its values to `make` by name."""

    def read(value: object, where: str) -> T:
        found = an_object(value, where)
        if found.keys() != readers.keys():
            missing = sorted(readers.keys() - found.keys())
            extra = sorted(found.keys() - readers.keys())
            raise FieldError(
                where,
                f"the keys {', '.join(readers)}",
                f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(extra) or 'none'}",
            )
        prefix = where and where + "."
        return make(**{name: read(found[name], prefix + name) for name, read in readers.items()})

    return read


def many(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """Reads a list, every item of it by `reader`."""

    def read(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise FieldError(where, "a list", value)
        return tuple([reader(item, f"{where}[{index}]") for index, item in enumerate(value)])

    return read


def maybe(reader: Reader[T]) -> Reader[T | None]:
    """Reads null as None."""

    def read(value: object, where: str) -> T | None:
        return None if value is None else reader(value, where)

    return read


def one_of(choices: Collection[T]) -> Reader[T]:
    """Reads one of these texts, as the value among `choices` that equals it."""
    by_text = {str(choice): choice for choice in choices}

    def read(value: object, where: str) -> T:
        if not isinstance(value, str) or value not in by_text:
            raise FieldError(where, f"one of {', '.join(by_text)}", value)
        return by_text[value]

    return read


def text(value: object, where: str) -> str:
    """Reads a string."""
    if not isinstance(value, str):
        raise FieldError(where, "a string", value)
    return value


def flag(value: object, where: str) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise FieldError(where, "true or false", value)
    return value


def whole(value: object, where: str) -> int:
    """Reads an integer that a store can hold."""
    return _within(value, where, _INT64, "64")


def token(value: object, where: str) -> int:
    """Reads a token id."""
    return _within(value, where, _INT32, "32")


def number(value: object, where: str) -> float:
    """Reads a floating-point number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(where, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise FieldError(where, "a number that fits into a double", value) from None


def an_object(value: object, where: str) -> Mapping[str, JSON]:
    """Reads an object, its values as they are."""
    if not isinstance(value, dict):
        raise FieldError(where, "an object", value)
    return value


def _within(value: object, where: str, bound: int, bits: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -bound <= value < bound:
        raise FieldError(where, f"an integer of {bits} bits", value)
    return value
