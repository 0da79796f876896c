"""Plain values as text and back, so that nothing but data passes between executions.

Runs on both sides of a sandbox's wall: here, and as text inside it, so it needs the standard
library alone. Reading text builds fresh values of the types below and calls nothing of the
sender's. How much text there is, the sandbox's limit on output says; how deep it nests, `DEPTH`.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsIndex

DEPTH = 64
ITERATOR_ITEMS = 100_000
# Longer numerals are refused by the JSON reader, as by `int` itself.
_SMALL_INTEGER = 2**63


class NotPlainError(Exception):
    """A value, or a text, that stands for no plain value."""


def encode(value: object) -> str:
    """A plain value as one line of ASCII.

    Plain are None, bool, int, float, complex, str, bytes, and list, tuple, dict, set, frozenset
    and range of these. A value of a subclass becomes one of the plain type, and an iterator is
    run to its end.

    Raises:
        NotPlainError: The value, or one in it, is not plain, or nests deeper than `DEPTH`.
    """
    return json.dumps(_pack(value, DEPTH), separators=(",", ":"))


def decode(text: str) -> object:
    """The value that `encode` made `text` of; an iterator comes back as a list's iterator.

    Raises:
        NotPlainError: It was not made by `encode`.
    """
    try:
        return _unpack(json.loads(text), DEPTH)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise NotPlainError(f"expected the text of a plain value: {error}") from error


def _pack(value: object, depth: int) -> object:
    if depth == 0:
        raise NotPlainError(f"expected values nested less than {DEPTH} deep")
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, list):
        return _pack_all(value, depth - 1)
    for kind, (name, pack) in _PACKERS.items():
        if isinstance(value, kind):
            return {name: pack(value, depth - 1)}
    return _pack_integer(value)


def _pack_integer(value: object) -> object:
    """An integer, be it of another library's type."""
    if isinstance(value, type) or not isinstance(value, SupportsIndex):
        raise NotPlainError(f"expected a plain value, got a {type(value).__name__}")
    number = operator.index(value)
    return number if abs(number) < _SMALL_INTEGER else {"int": hex(number)}


def _pack_all(values: Iterable[object], depth: int) -> list[object]:
    return [_pack(value, depth) for value in values]


def _pack_set(values: Iterable[object], depth: int) -> list[object]:
    # Equal sets give equal text, whatever order an interpreter keeps them in.
    return sorted(_pack_all(values, depth), key=json.dumps)


def _pack_items(values: Mapping[object, object], depth: int) -> list[object]:
    return [[_pack(key, depth), _pack(values[key], depth)] for key in values]


def _pack_iterator(values: Iterable[object], depth: int) -> list[object]:
    items = list(itertools.islice(values, ITERATOR_ITEMS + 1))
    if len(items) > ITERATOR_ITEMS:
        raise NotPlainError(f"expected an iterator of at most {ITERATOR_ITEMS} items")
    return _pack_all(items, depth)


_PACKERS: dict[type, tuple[str, Callable[[Any, int], object]]] = {
    complex: ("complex", lambda value, _: [value.real, value.imag]),
    bytes: ("bytes", lambda value, _: value.hex()),
    range: ("range", lambda value, _: [hex(n) for n in (value.start, value.stop, value.step)]),
    tuple: ("tuple", _pack_all),
    dict: ("dict", _pack_items),
    set: ("set", _pack_set),
    frozenset: ("frozenset", _pack_set),
    Iterator: ("iterator", _pack_iterator),
}


def _unpack(value: object, depth: int) -> object:
    if depth == 0:
        raise NotPlainError(f"expected values nested less than {DEPTH} deep")
    if isinstance(value, list):
        return [_unpack(item, depth - 1) for item in value]
    if not isinstance(value, dict):
        return value
    (packed,) = value.items()
    name, content = packed
    if name in _ATOMS:
        return _ATOMS[name](content)
    if name not in _CONTAINERS or not isinstance(content, list):
        raise NotPlainError(f"expected the name of a plain type, got {name!r}")
    return _CONTAINERS[name](_unpack(item, depth - 1) for item in content)


_ATOMS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "complex": lambda parts: complex(*parts),
    "bytes": bytes.fromhex,
    "range": lambda parts: range(*(int(text, 16) for text in parts)),
}
_CONTAINERS: dict[str, Callable[[Iterator[Any]], Any]] = {
    "tuple": tuple,
    "dict": dict,
    "set": set,
    "frozenset": frozenset,
    "iterator": lambda items: iter(list(items)),
}
