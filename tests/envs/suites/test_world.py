"""The world: trees of names that share nothing."""

from itertools import chain

import pytest

from reachgym.envs.errors import TaskError
from reachgym.envs.suites.world import RELATIONS, shuffled_index, spell, world, world_index


def test_no_name_comes_twice():
    built = world(0)
    names = [*chain(*built.starts.values()), *built.facts.values()]
    assert len(names) == len(set(names)) == 8960
    assert all(len(name) == 5 and name.islower() and name.isascii() for name in names)


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
    # Two draws of 8,736 out of 26**5 share 6 names on average.
    assert len(shared) < 25
    assert not set(world(8).facts.items()) & set(first.facts.items())


def test_starts_do_not_change_with_the_version_of_anything():
    assert world(0).starts["train"][:3] == ("jyeew", "ufvlr", "wvwow")


def test_the_chance_bounds_a_guesser_who_knows_every_other_name():
    built = world(0, 3)
    gold = built.follow(built.starts["held_out"][0], "PQR")[-1]
    known = {*chain(*built.starts.values()), *built.facts.values()} - {gold}
    unknown = 26**3 - len(known)
    assert 1 / unknown <= built.chance < 1.001 / unknown


def test_names_too_short_to_be_distinct_are_refused():
    with pytest.raises(TaskError, match="distinct names"):
        world(0, 2)


def depths(built):
    """Depth and split of every name in the trees."""
    found = {}
    for split, entities in built.starts.items():
        level = list(entities)
        for depth in (1, 2, 3):
            level = [built.facts[entity, relation] for entity in level for relation in RELATIONS]
            found |= dict.fromkeys(level, (split, depth))
    return found


def test_shuffled_texts_are_a_permutation_that_leaves_none_in_its_place():
    built = world(0)
    shuffled = built.shuffled_texts()
    true = {document.id: document.text for document in built.documents()}
    assert shuffled.keys() == true.keys()
    assert sorted(shuffled.values()) == sorted(true.values())
    assert not [place for place in true if shuffled[place] == true[place]]


def test_a_shuffled_text_comes_from_its_own_split_and_depth():
    built = world(0)
    place = depths(built)
    true = {document.id: document.text for document in built.documents()}
    for document, text in built.shuffled_texts().items():
        assert place[text] == place[true[document]]


def test_the_shuffle_follows_from_the_worlds_seed():
    assert world(5).shuffled_texts() == world(5).shuffled_texts()
    plain = {document.id: document.text for document in world(0).documents()}
    # A shift in the order of the documents would be a permutation as well, and easily undone.
    values, shuffled = list(plain.values()), world(0).shuffled_texts()
    moves = {values.index(shuffled[name]) - values.index(plain[name]) for name in list(plain)[:50]}
    assert len(moves) > 40


def test_a_shuffled_index_finds_what_the_true_one_finds_under_other_texts():
    true, shuffled = world_index(0), shuffled_index(0)
    entity = world(0).starts["train"][0]
    for query in (f"{entity}/R", entity, "R", "zz/Q"):
        found, shown = true.search(query, 3), shuffled.search(query, 3)
        assert [(hit.doc_id, hit.score) for hit in found] == [(h.doc_id, h.score) for h in shown]
        assert all(a.text != b.text for a, b in zip(found, shown, strict=True))
    assert shuffled.search("nothing", 1) == []


def test_spelling_reaches_every_text_once():
    texts = {spell(number, 2) for number in range(26**2)}
    assert len(texts) == 26**2
    assert {len(text) for text in texts} == {2}
