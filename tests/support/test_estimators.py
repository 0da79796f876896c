"""pass@k against brute force and exact integers; cover against simulation; surprisal."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from reachgym.support import clopper_pearson, pass_at_k, surprisal_bits
from reachgym.support.estimators import cover_at


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


def test_cover_counts_tasks_at_least_as_reliable_as_asked():
    cover = cover_at([10, 10, 10, 3], [7, 6, 10, 0], 0.7)
    assert (cover.plug_in.estimate, cover.plug_in.n) == (0.5, 4)
    assert cover.certified.estimate == 0.25
    assert cover.plug_in.low == pytest.approx(clopper_pearson(4, 2)[0])
    certain = cover_at(4000, [4000] * 30 + [0] * 10, 0.5)
    assert certain.plug_in.estimate == certain.certified.estimate == 0.75
    assert certain.certified.low < certain.plug_in.low < 0.75 < certain.certified.high


def test_the_certified_interval_covers_where_the_plug_in_one_does_not():
    rng = np.random.default_rng(0)
    covered = plain = 0
    for _ in range(1000):
        p = rng.choice([0.1, 0.48, 0.9], size=60, p=[0.3, 0.5, 0.2])
        cover = cover_at(20, rng.binomial(20, p), 0.5)
        covered += cover.certified.low <= 0.2 <= cover.certified.high
        plain += cover.plug_in.low <= 0.2 <= cover.plug_in.high
    assert covered / 1000 >= 0.95
    assert plain / 1000 < 0.5


def test_the_certified_interval_closes_in_with_draws():
    rng = np.random.default_rng(1)
    p = rng.random(400)
    few, many = (cover_at(n, rng.binomial(n, p), 0.5).certified for n in (20, 4000))
    assert many.high - many.low < 0.75 * (few.high - few.low)


@pytest.mark.parametrize(("n", "c", "tau"), [([], [], 0.5), ([5, 0], [1, 0], 0.5), (5, 1, 0.0)])
def test_cover_without_tasks_draws_or_threshold_is_an_error(n, c, tau):
    with pytest.raises(ValueError, match=r"Cover@tau needs"):
        cover_at(n, c, tau)
