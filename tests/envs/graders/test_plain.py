"""Plain values: what passes a sandbox's wall, and what does not."""

from __future__ import annotations

import enum
import itertools
import math
from collections import Counter, OrderedDict, namedtuple

import pytest

from reachgym.envs.graders.plain import DEPTH, ITERATOR_ITEMS, NotPlainError, decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        10**5000,
        -(10**5000),
        1.5,
        math.inf,
        -0.0,
        1 - 2j,
        "",
        "Zoë\n\0\ud800",
        b"\0\xff",
        [],
        [1, [2, "a"]],
        (),
        (1, (2,), [3]),
        {},
        {"a": 1, 2: (3,), None: {4}, (5, 6): "b"},
        set(),
        {1, "a", (2, 3)},
        frozenset({1}),
        {"dict": 1, "int": "ff"},
        range(2, 10**30, 3),
    ],
    # Some are too long to be spelled out.
    ids=itertools.count(),
)
def test_a_plain_value_comes_back_equal_and_of_its_type(value):
    text = encode(value)
    assert text.isascii()
    assert "\n" not in text
    back = decode(text)
    assert back == value
    assert type(back) is type(value)


def test_no_number_comes_back_as_no_number():
    assert math.isnan(decode(encode(math.nan)))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (namedtuple("Point", "x y")(1, 2), (1, 2)),
        (enum.IntEnum("Colour", "RED")(1), 1),
        (type("Text", (str,), {"__eq__": lambda *_: True, "__hash__": str.__hash__})("a"), "a"),
    ],
    ids=["counter", "ordered", "named", "enumeration", "text"],
)
def test_a_subclass_comes_back_as_its_plain_type(value, plain):
    back = decode(encode(value))
    assert back == plain
    assert type(back) is type(plain)


@pytest.mark.parametrize("make", [lambda: iter([1, 2]), lambda: (n for n in (1, 2))])
def test_an_iterator_comes_back_as_one(make):
    assert list(decode(encode(make()))) == [1, 2]
    assert next(decode(encode(make()))) == 1


def test_equal_sets_give_equal_text():
    names = [f"name{n}" for n in range(50)]
    assert encode(set(names)) == encode({*names[25:], *names[:25]})


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [object(), len, int, nested(DEPTH), cyclic(), itertools.count(), {1: object()}],
    ids=["object", "function", "class", "deep", "cyclic", "endless", "within"],
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(NotPlainError, match="expected"):
        encode(value)


def test_a_long_iterator_within_the_limit_passes():
    assert len(list(decode(encode(iter(range(ITERATOR_ITEMS)))))) == ITERATOR_ITEMS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[" * 100_000,
        "[" * (DEPTH + 1) + "]" * (DEPTH + 1),
        "9" * 5000,
        "{}",
        '{"int":"1","bytes":""}',
        '{"object":[]}',
        '{"__class__":[]}',
        '{"int":7}',
        '{"int":"g"}',
        '{"bytes":"0"}',
        '{"complex":[1,2,3]}',
        '{"complex":[1e400,"x"]}',
        '{"range":["0x1","0x2","0x0"]}',
        '{"range":["0x1","0x2"],"x":1}',
        '{"set":[[]]}',
        '{"dict":[[[],1]]}',
        '{"dict":[1]}',
        '{"dict":{"a":1}}',
        '{"tuple":"ab"}',
    ],
    ids=lambda text: text[:24],
)
def test_a_text_that_stands_for_no_plain_value_is_refused(text):
    with pytest.raises(NotPlainError, match="expected"):
        decode(text)
