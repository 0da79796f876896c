"""Kept caches go in the order of their last use."""

import torch

from reachgym.agents.generation.kept import Kept, KeptCaches

BLOCK_BYTES = 2 * 3 * 4


def kept(*ids):
    return Kept(ids, torch.zeros(1, 2, 1, 3, 1))


def caches(*keys, room=10):
    held = KeptCaches()
    held.limit(room * BLOCK_BYTES)
    for key in keys:
        held.put(key, kept(key))
    return held


def test_the_one_used_longest_ago_goes_first():
    held = caches(1, 2, 3)
    held.get(1)
    held.limit(2 * BLOCK_BYTES)
    assert [key for key in (1, 2, 3) if held.get(key)] == [1, 3]
    held.put(4, kept(4))
    assert [key for key in (1, 3, 4) if held.get(key)] == [3, 4]
    assert (held.evictions, held.nbytes) == (2, 2 * BLOCK_BYTES)


def test_what_is_dropped_or_replaced_is_no_eviction_and_takes_no_room():
    held = caches(1, 2)
    held.put(1, kept(1, 5))
    assert held.nbytes == 2 * BLOCK_BYTES
    assert held.get(1).ids == (1, 5)
    held.drop(2)
    held.drop(2)
    assert (held.evictions, held.nbytes) == (0, BLOCK_BYTES)
    held.clear()
    assert (held.get(1), held.nbytes) == (None, 0)


def test_without_room_nothing_is_kept():
    held = caches(1, room=0)
    assert (held.get(1), held.nbytes, held.evictions) == (None, 0, 1)


def test_only_the_first_of_a_longer_history_begins_it():
    assert kept(1, 2).begins((1, 2, 3))
    assert kept(1, 2).begins((1, 2))
    assert not kept(1, 2).begins((1,))
    assert not kept(1, 2).begins((1, 3, 2))
