"""BM25: every fact is found by its question, ties and misses are decided by rule."""

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.suites.world import world, world_index


def ids(index, query, k=10):
    return [hit.doc_id for hit in index.search(query, k)]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_fact_of_a_world_is_the_best_hit_of_its_own_question(seed):
    index = world_index(seed)
    facts = world(seed).facts
    assert len(facts) == 8736
    missed = [
        f"{name}/{relation}"
        for (name, relation), value in facts.items()
        if [hit.text for hit in index.search(f"{name}/{relation}", 1)] != [value]
    ]
    assert missed == []


def test_a_title_weighs_more_than_a_text_that_mentions_the_same_word():
    index = BM25Index(
        [Document("1", "zzzz R", "abcd"), Document("2", "abcd R", "wxyz"), Document("3", "q", "q")]
    )
    assert ids(index, "abcd/R") == ["2", "1"]


def test_equal_scores_come_in_the_order_of_document_ids_whatever_the_order_given():
    documents = [Document(name, "same", "text") for name in "dbeac"]
    assert ids(BM25Index(documents), "same", 3) == ["a", "b", "c"]
    assert ids(BM25Index(documents[::-1]), "same", 1) == ["a"]


def test_the_best_k_are_the_head_of_the_whole_ranking():
    index = world_index(0)
    name = world(0).starts["train"][0]
    ranking = ids(index, f"{name} P Q", 10_000)
    assert len(ranking) > 5000
    for k in (1, 2, 3, 4, 5, 100):
        assert ids(index, f"{name} P Q", k) == ranking[:k]


def test_scores_fall_and_stay_positive():
    scores = [hit.score for hit in world_index(0).search("P Q", 10_000)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


@pytest.mark.parametrize("query", ["", "  ", "/-:", "unheardof", "ABCD"])
def test_a_query_without_a_known_word_finds_nothing(query):
    assert BM25Index([Document("1", "abcd R", "wxyz")]).search(query, 3) == []


def test_case_tells_words_apart():
    index = BM25Index([Document("1", "p", "x"), Document("2", "P", "y")])
    assert ids(index, "P") == ["2"]


def test_asking_for_no_hits_gives_none():
    assert world_index(0).search("P", 0) == []


@pytest.mark.parametrize("documents", [[], [Document("1", "--", "")]])
def test_an_index_without_words_finds_nothing(documents):
    assert BM25Index(documents).search("abcd", 1) == []


def test_two_documents_of_one_id_are_refused():
    with pytest.raises(ConfigError, match="'same' twice"):
        BM25Index([Document("same", "a", "b"), Document("same", "c", "d")])
