"""Trajectories survive the way to Arrow rows and back unchanged."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from reachgym.envs.types import Message, StopReason, Verdict
from reachgym.rollout.codec import SCHEMA, decode, encode, keys_of
from reachgym.rollout.trajectory import Failure


def test_every_field_round_trips_exactly(trajectory):
    stored = [
        trajectory(0),
        trajectory(2**62, reward=0.1 + 0.2),
        trajectory(3, failure=Failure("OSError", "gone\nfor good"), reward=None),
        replace(trajectory(4), opening=(), turns=()),
        replace(trajectory(5), verdict=Verdict(0.0, False), stop_reason=StopReason.TOOL_CALLS),
    ]
    assert list(decode(encode(stored))) == stored


def test_no_trajectories_are_an_empty_table_with_the_schema():
    table = encode([])
    assert table.schema == SCHEMA
    assert list(decode(table)) == []


def test_a_part_of_a_table_decodes_to_that_part(trajectory):
    stored = [trajectory(seed) for seed in range(9)]
    table = encode(stored)
    assert list(decode(table.slice(2, 4))) == stored[2:6]
    assert list(decode(table.take(pa.array([8, 1])))) == [stored[8], stored[1]]
    assert list(decode(pa.concat_tables([table, table]))) == stored * 2


def test_keys_are_read_without_the_rest(trajectory):
    stored = [trajectory(seed) for seed in range(3)]
    assert list(keys_of(encode(stored))) == [row.key for row in stored]


def test_text_that_is_no_unicode_costs_its_characters_and_nothing_else(trajectory):
    broken = replace(trajectory(1), opening=(Message("user", "a\ud800b"),))
    first, second = decode(encode([broken, trajectory(2)]))
    assert first.opening[0].content == "a?b"
    assert second == trajectory(2)
