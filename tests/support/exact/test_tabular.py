"""Importance sampling against success probabilities known by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reachgym.support.importance import importance_estimate

REPETITIONS = 2_000
MOST_ERRORS = 0.05 + 3 * math.sqrt(0.05 * 0.95 / REPETITIONS)


def repeat(task, policies, draws, repetitions, seed, **options):
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        drawn = task.draw(rng, policies, draws)
        yield drawn, importance_estimate(task.successes(policies, drawn), draws, **options)


@pytest.fixture
def common(world):
    return world(scratch=(0.2, 0.2, 0.2), in_its_head=(0.1, 0.1, 0.1))


@pytest.fixture
def rare(world):
    """A base that succeeds once in a million attempts, by two routes."""
    return world(scratch=(0.0085, 0.0085, 0.0085), in_its_head=(0.0075, 0.0075, 0.0075))


def arms(task):
    """Two policies trained towards success, each mostly by a route of its own."""
    return [
        task.trained((0.7, 0.8, 0.8), (0.2, 0.4, 0.4), noise=0.7, seed=1),
        task.trained((0.3, 0.5, 0.5), (0.6, 0.7, 0.7), noise=0.7, seed=2),
    ]


def test_tables_are_policies(common, rare):
    for task in (common, rare):
        for policy in (task.base, *arms(task)):
            assert np.exp(policy).sum() == pytest.approx(1.0)
    assert common.p0 == pytest.approx(0.2**3 + 0.1**3, rel=1e-9)
    assert rare.p0 == pytest.approx(0.0085**3 + 0.0075**3, rel=1e-9)


def test_estimate_is_unbiased_and_bound_covers(common):
    policies = [common.base, arms(common)[0]]
    found = [row for _, row in repeat(common, policies, (90, 300), REPETITIONS, 1)]
    assert {row.low_by for row in found} == {"betting", "markov"}
    estimates = np.array([row.estimate for row in found])
    error = estimates.std() / math.sqrt(REPETITIONS)
    assert abs(estimates.mean() - common.p0) < 4 * error
    assert np.mean([row.low > common.p0 for row in found]) <= MOST_ERRORS


def test_estimate_is_unbiased_and_bound_covers_where_the_base_never_succeeds(rare):
    policies = [rare.base, *arms(rare)]
    found = [row for _, row in repeat(rare, policies, (50, 60, 70), REPETITIONS, 2)]
    estimates = np.array([row.estimate for row in found])
    error = estimates.std() / math.sqrt(REPETITIONS)
    assert abs(estimates.mean() - rare.p0) < 4 * error
    assert np.mean([row.low > rare.p0 for row in found]) <= MOST_ERRORS


def test_bound_covers_when_rounds_fixed_beforehand_are_added_until_it_fails(common):
    policies = [common.base, arms(common)[1]]
    rng, looks = np.random.default_rng(3), (10, 60)
    wrong = 0
    for _ in range(REPETITIONS):
        drawn = common.draw(rng, policies, (looks[-1], 2 * looks[-1]))
        for rounds in looks:
            so_far = [drawn[0][:rounds], drawn[1][: 2 * rounds]]
            successes = common.successes(policies, so_far)
            found = importance_estimate(successes, (rounds, 2 * rounds), per_round=(1, 2))
            assert found.rounds == rounds
            if found.low > common.p0:
                wrong += 1
                break
    assert wrong / REPETITIONS <= MOST_ERRORS


def test_a_one_in_a_million_success_is_found_with_five_thousand_draws(rare):
    assert 0.9e-6 < rare.p0 < 1.1e-6
    policies = [rare.base, *arms(rare)]
    found = [row for _, row in repeat(rare, policies, (1_000, 2_000, 2_000), 200, 4)]
    ratios = np.array([row.estimate for row in found]) / rare.p0
    lows = np.array([row.low for row in found]) / rare.p0
    assert np.mean((ratios > 0.5) & (ratios < 2.0)) >= 0.95
    assert np.mean(lows > 1.0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert np.median(lows) > 0.5
    # By direct sampling the same draws would almost surely show no success.
    assert 5_000 * rare.p0 < 0.01


def test_self_normalising_the_same_draws_comes_out_high_by_far(common):
    trained = common.trained((0.6, 0.9999, 0.9999), (0.3999, 0.9999, 0.9999))
    plain, normalised = [], []
    for drawn, found in repeat(common, [common.base, trained], (0, 500), 1_000, 5):
        weights = np.exp(common.base - trained)[drawn[1]]
        normalised.append((weights * common.solved[drawn[1]]).sum() / weights.sum())
        plain.append(found.estimate)
    assert np.median(normalised) > 5 * common.p0
    assert np.quantile(plain, [0.05, 0.95]) == pytest.approx(common.p0, rel=0.25)


def test_a_missed_route_looks_perfect_without_the_base_and_is_repaired_with_it(world):
    task = world(scratch=(0.01, 0.01, 0.01), in_its_head=(0.3, 0.3, 0.3))
    policies = [task.base, task.trained((0.98, 0.98, 0.98), (1e-9, 1e-9, 1e-9))]
    blind = [row for _, row in repeat(task, policies, (0, 500), 1_000, 6)]
    mixed = [row for _, row in repeat(task, policies, (500, 500), 1_000, 7)]

    assert all(row.diagnostics.ess > 0.999 * row.successes > 400 for row in blind)
    assert max(row.estimate for row in blind) < 1e-3 * task.p0
    assert {row.diagnostics.failed for row in blind} == {("base_draws",)}
    assert max(row.low for row in blind) < task.p0

    estimates = np.array([row.estimate for row in mixed])
    assert abs(estimates.mean() - task.p0) < 4 * estimates.std() / math.sqrt(1_000)
    assert np.quantile(estimates, [0.05, 0.95]) == pytest.approx(task.p0, rel=0.5)
    assert np.mean([row.low > task.p0 for row in mixed]) <= 0.05 + 3 * math.sqrt(0.0475 / 1_000)
