"""pass@k against brute force over subsets and against exact integers; surprisal."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from reachgym.support import pass_at_k, surprisal_bits


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_success():
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                subsets = list(combinations(range(n), k))
                hits = sum(any(draw < c for draw in subset) for subset in subsets)
                assert pass_at_k(n, c, k) == pytest.approx(hits / len(subsets), abs=1e-14)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(10**6, 3, 500_000), (10**6, 1000, 1000), (10**6, 40, 64), (4096, 4000, 90)]
)
def test_pass_at_k_agrees_with_exact_integers_for_large_n(n, c, k):
    few, many = min(c, k), max(c, k)
    miss = Fraction(math.comb(n - many, few), math.comb(n, few))
    assert float(pass_at_k(n, c, k)) == pytest.approx(float(1 - miss), rel=1e-10)


def test_pass_at_k_broadcasts_and_keeps_shapes():
    values = pass_at_k([[10], [20]], [0, 5, 10], 2)
    assert values.shape == (2, 3)
    assert values[0, 2] == 1.0
    assert values[1, 1] == pytest.approx(1 - 15 * 14 / (20 * 19))


def test_pass_at_k_is_unbiased():
    p, n, k = 0.07, 30, 8
    c = np.arange(n + 1)
    weights = [math.comb(n, int(i)) * p**i * (1 - p) ** (n - i) for i in c]
    assert pass_at_k(n, c, k) @ weights == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


def test_more_attempts_than_draws_is_an_error_that_names_both():
    with pytest.raises(ValueError, match=r"k <= n.*n=16, c=2, k=17"):
        pass_at_k([64, 16], [1, 2], 17)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 0)])
def test_impossible_counts_are_errors(n, c, k):
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(n, c, k)


def test_surprisal_counts_bits():
    assert surprisal_bits([1.0, 0.5, 2.0**-20, 0.0]).tolist() == [0.0, 1.0, 20.0, math.inf]
    with pytest.raises(ValueError, match=r"within \[0, 1\]"):
        surprisal_bits(1.5)
