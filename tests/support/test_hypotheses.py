"""Every test of a verdict against SciPy, brute force, or enumeration of its level."""

from __future__ import annotations

from itertools import combinations, product
from math import factorial

import numpy as np
import pytest
from scipy import stats

from reachgym.support.hypotheses import (
    equivalence,
    holm,
    mean_above,
    mean_below,
    mean_lower,
    mean_upper,
    sign_test,
)


def test_holm_is_closed_testing_with_bonferroni():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = (rng.random(5) ** 3).tolist()
        groups = [g for size in range(1, 6) for g in combinations(range(5), size)]
        closed = [
            max(min(1.0, len(g) * min(p[j] for j in g)) for g in groups if i in g) for i in range(5)
        ]
        assert holm(p) == pytest.approx(closed)
    assert holm([]) == []


def test_sign_test_is_mcnemars_exact_test_on_discordant_pairs():
    for up, down in product(range(8), range(8)):
        differences = [1.0] * up + [-1.0] * down + [0.0] * 5
        if up + down:
            exact = stats.binomtest(up, up + down, alternative="greater").pvalue
            assert sign_test(differences) == pytest.approx(exact)
    assert sign_test([0.0, 0.0]) == 1.0


def test_a_share_of_whole_tasks_has_the_exact_binomial_test_and_clopper_pearson_bounds():
    for k in range(17):
        values = [1.0] * k + [0.0] * (16 - k)
        greater = stats.binomtest(k, 16, 0.1, alternative="greater")
        less = stats.binomtest(k, 16, 0.1, alternative="less")
        assert mean_above(values, 0.1) == pytest.approx(greater.pvalue, abs=1e-11)
        assert mean_below(values, 0.1) == pytest.approx(less.pvalue, abs=1e-11)
        low, high = greater.proportion_ci().low, less.proportion_ci().high
        assert (mean_lower(values), mean_upper(values)) == pytest.approx((low, high), abs=1e-9)


def test_the_mixture_has_the_distribution_of_dirichlet_weights():
    rng = np.random.default_rng(4)
    for values in (rng.random(3), rng.random(40), np.array([0.1, 0.1, 0.9]), np.array([0.4])):
        weights = rng.dirichlet(np.ones(len(values) + 1), size=40_000)
        mixed = weights[:, 1:] @ values
        for threshold in (0.05, 0.2, 0.45):
            seen = (mixed <= threshold).mean()
            assert mean_above(values, threshold) == pytest.approx(seen, abs=0.012)


def test_bounds_invert_the_tests_and_mirror_each_other():
    values = np.random.default_rng(5).beta(0.4, 0.6, 12)
    assert mean_above(values, mean_lower(values)) == pytest.approx(0.05, abs=1e-8)
    assert mean_below(values, mean_upper(values)) == pytest.approx(0.05, abs=1e-8)
    assert mean_upper(values) == pytest.approx(1 - mean_lower(1 - values))
    gains = 2 * values - 1
    assert mean_lower(gains, least=-1.0) == pytest.approx(2 * mean_lower(values) - 1)


def test_the_bound_does_not_collapse_when_all_tasks_agree():
    assert mean_lower([1.0] * 16) == pytest.approx(0.05 ** (1 / 16))
    assert mean_upper([0.0] * 16) == pytest.approx(1 - 0.05 ** (1 / 16))
    assert (mean_lower([]), mean_upper([]), mean_above([], 0.1)) == (0.0, 1.0, 1.0)
    assert mean_lower([0.0] * 5) == 0.0


def test_values_outside_their_range_are_errors():
    with pytest.raises(ValueError, match="at least 0"):
        mean_above([0.5, -0.5], 0.1)
    with pytest.raises(ValueError, match="at least -1"):
        mean_upper([1.5])


@pytest.mark.parametrize(("size", "threshold"), [(2, 0.5), (6, 0.3), (12, 0.1), (12, 0.8)])
def test_the_level_holds_for_two_seeds_that_disagree_by_enumeration(size, threshold):
    outcomes = [(a, b, size - a - b) for a in range(size + 1) for b in range(size + 1 - a)]
    p_values = np.array(
        [mean_above([0.0] * a + [0.5] * b + [1.0] * c, threshold) for a, b, c in outcomes]
    )
    ways = np.array(
        [factorial(size) / (factorial(a) * factorial(b) * factorial(c)) for a, b, c in outcomes]
    )
    exponents = np.array(outcomes)
    for half in np.linspace(0, 2 * min(threshold, 1 - threshold), 13):
        whole = threshold - half / 2
        chance = ways * np.prod(np.array([1 - half - whole, half, whole]) ** exponents, axis=1)
        for alpha in (0.01, 0.05, 0.2):
            assert chance[p_values <= alpha].sum() <= alpha


def test_the_level_holds_for_family_shares_by_simulation():
    rng = np.random.default_rng(1)
    for a, b in ((0.1, 0.9), (0.5, 1.5), (2.0, 6.0)):
        shares = rng.beta(a, b, size=(400, 6))
        wrong = np.mean([mean_above(row, a / (a + b)) <= 0.05 for row in shares])
        assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("delta", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("size", [12, 32, 64])
def test_equivalence_keeps_its_level_where_a_share_delta_of_tasks_changed_wholly(delta, size):
    counts = np.arange(size + 1)
    for change in (1.0, -1.0):
        p = [equivalence([change] * k + [0.0] * (size - k), delta) for k in counts]
        wrong = np.array(p) <= 0.05
        assert stats.binom.pmf(counts, size, delta)[wrong].sum() <= 0.05


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    gains = np.random.default_rng(3).normal(0.02, 0.1, 60)
    above, below = mean_above(gains, -0.2, least=-1.0), mean_below(gains, 0.2)
    assert equivalence(gains, 0.2) == max(above, below)
    assert equivalence(gains, 0.2) < 0.05
    assert equivalence([0.0] * 12, 0.1) == pytest.approx(0.9**12)
    assert equivalence([0.3] * 60, 0.2) == 1.0
