"""The quick ranking finds what adding up every posting finds, to the last bit and tie."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from reachgym.envs.retrieval.ranking import Postings, with_rows

SHARES = (1.0, 0.9, 0.3, 0.13, 0.05, 0.01, 0.002)


def columns(size: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Documents and scores of words from frequent to rare; scores of few values, for ties."""
    rng = np.random.default_rng(seed)
    words = []
    for share in SHARES:
        chosen = rng.random(size) < share
        chosen[rng.integers(size)] = True
        having = np.flatnonzero(chosen).astype(np.int32)
        scores = rng.choice(np.float32([0.1, 0.3, 0.7, 1.9]) / np.float32(share), len(having))
        words.append((having, scores.astype(np.float32)))
    return words


def postings(words: list[tuple[np.ndarray, np.ndarray]], size: int) -> Postings:
    bounds = np.cumsum([0] + [len(having) for having, _ in words])
    documents, scores = (np.concatenate(parts) for parts in zip(*words, strict=True))
    return with_rows(scores, documents, bounds, size)


def plain(words, size: int, query: list[int], k: int) -> list[tuple[int, float]]:
    sums = np.zeros(size, np.float32)
    for word in query:
        having, scores = words[word]
        sums[having] += scores
    ranked = sorted(np.flatnonzero(sums > 0).tolist(), key=lambda i: (-sums[i], i))
    return [(i, float(sums[i])) for i in ranked[:k]]


@pytest.mark.parametrize("size", [1, 7, 64, 65, 1000, 20_011])
@pytest.mark.parametrize("k", [1, 2, 5, 100, 30_000])
def test_it_is_exact_whatever_the_size_the_query_and_the_number_wanted(size, k):
    words = columns(size, seed=size)
    index = postings(words, size)
    rng = np.random.default_rng(k)
    for length in (1, 2, 4, 9, 30):
        query = rng.integers(len(words), size=length).tolist()
        found, sums = index.best(query, k)
        got = list(zip(found.tolist(), sums.tolist(), strict=True))
        assert got == plain(words, size, query, k)


def test_frequent_words_are_kept_as_rows_and_others_as_postings():
    words = columns(1000, seed=0)
    index = postings(words, 1000)
    assert (index.frequent >= 0).tolist() == [len(having) > 125 for having, _ in words]
    assert len(index.scores) == sum(len(having) for having, _ in words if len(having) <= 125)


def test_threads_that_search_at_once_do_not_disturb_one_another():
    sizes = (5000, 300, 20_000)
    several = [columns(size, seed=1) for size in sizes]
    indexes = [postings(words, size) for words, size in zip(several, sizes, strict=True)]
    wrong = []

    def search(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            which = int(rng.integers(3))
            query = rng.integers(len(SHARES), size=6).tolist()
            found, _ = indexes[which].best(query, 5)
            expected = [i for i, _ in plain(several[which], sizes[which], query, 5)]
            if found.tolist() != expected:
                wrong.append(query)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("k", [1, 5, 30])
def test_sums_that_differ_by_rounding_alone_are_ranked_as_the_plain_sum_rounds(k):
    size = 2560
    rng = np.random.default_rng(k)
    parts = np.float32([1 / 3, 2.7182817, 3.1415927, 0.1, 1.618034])
    shuffled = np.stack([rng.permutation(parts) for _ in range(size)])
    words = [(np.arange(size, dtype=np.int32), column.copy()) for column in shuffled.T]
    query = [0, 1, 2, 3, 4] * 3
    found, sums = postings(words, size).best(query, k)
    assert list(zip(found.tolist(), sums.tolist(), strict=True)) == plain(words, size, query, k)
