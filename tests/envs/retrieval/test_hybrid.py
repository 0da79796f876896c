"""Reciprocal rank fusion, against its sum by hand."""

from __future__ import annotations

import pytest

from reachgym.envs.retrieval.corpus import Hit
from reachgym.envs.retrieval.hybrid import HybridIndex


class Ranking:
    """An index that always ranks alike, and knows how much it was asked for."""

    def __init__(self, names: str) -> None:
        self.names = names
        self.asked: list[int] = []

    def search(self, query: str, k: int) -> list[Hit]:
        self.asked.append(k)
        return [Hit(name, 1000.0 - i, f"text of {name}") for i, name in enumerate(self.names)][:k]


def test_scores_are_sums_of_reciprocal_ranks_and_ties_go_by_id():
    fused = HybridIndex([Ranking("abc"), Ranking("cbd")]).search("x", 10)
    expected = {"c": 1 / 63 + 1 / 61, "b": 2 / 62, "a": 1 / 61, "d": 1 / 63}
    assert [hit.doc_id for hit in fused] == ["c", "b", "a", "d"]
    assert [hit.score for hit in fused] == pytest.approx(list(expected.values()), rel=1e-15)
    assert fused[0].text == "text of c"
    assert [hit.doc_id for hit in HybridIndex([Ranking("ba"), Ranking("ab")]).search("x", 1)] == [
        "a"
    ]


def test_indexes_are_asked_for_a_hundred_so_that_one_may_lift_what_the_other_ranks_low():
    one, other = Ranking("abcdefgh"), Ranking("h")
    assert HybridIndex([one, other]).search("x", 1)[0].doc_id == "h"
    HybridIndex([one]).search("x", 250)
    assert one.asked == [100, 250]
