"""The world: trees of names that share nothing."""

from itertools import chain

import pytest

from reachgym.envs.errors import TaskError
from reachgym.envs.suites.world import RELATIONS, spell, world


def test_no_name_comes_twice():
    built = world(0)
    names = [*chain(*built.starts.values()), *built.facts.values()]
    assert len(names) == len(set(names)) == 8960
    assert all(len(name) == 4 and name.islower() and name.isascii() for name in names)


def test_every_chain_of_three_relations_leads_somewhere():
    built = world(0)
    for start in chain(*built.starts.values()):
        for first in RELATIONS:
            for second in RELATIONS:
                for third in RELATIONS:
                    assert len(built.follow(start, first + second + third)) == 3


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    world.cache_clear()
    first = world(7)
    world.cache_clear()
    assert world(7) == first
    shared = set(world(8).facts.values()) & set(first.facts.values())
    # Two draws of 8,736 out of 26**4 share 167 names on average.
    assert len(shared) < 250
    assert not set(world(8).facts.items()) & set(first.facts.items())


def test_starts_do_not_change_with_the_version_of_anything():
    assert world(0).starts["train"][:3] == ("prdw", "vhhv", "wijw")


def test_the_chance_bounds_a_guesser_who_knows_every_other_name():
    built = world(0, 3)
    gold = built.follow(built.starts["held_out"][0], "PQR")[-1]
    known = {*chain(*built.starts.values()), *built.facts.values()} - {gold}
    unknown = 26**3 - len(known)
    assert 1 / unknown <= built.chance < 1.001 / unknown


def test_names_too_short_to_be_distinct_are_refused():
    with pytest.raises(TaskError, match="distinct names"):
        world(0, 2)


def test_spelling_reaches_every_text_once():
    texts = {spell(number, 2) for number in range(26**2)}
    assert len(texts) == 26**2
    assert {len(text) for text in texts} == {2}
