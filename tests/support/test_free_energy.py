"""Divergence and what it bought, on policies over a handful of trajectories."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from reachgym.support import Estimate
from reachgym.support.free_energy import (
    binary_kl,
    certified_base_success,
    eta,
    free_energy,
    needed_kl,
    selection_cost,
    success_probability,
    tilting_frontier,
    trajectory_kl,
)


def random_policies(rng):
    """Base, trained policy and which of the trajectories succeed, never all of them."""
    size = int(rng.integers(2, 40))
    spread = rng.choice([0.1, 1.0, 5.0])
    base, trained = rng.dirichlet(np.full(size, 1 / spread), size=2) + 1e-9
    success = rng.random(size) < rng.random()
    success[0] = False
    if rng.random() < 0.5:
        # Half of them reweight the base by success, where both bounds are tightest.
        trained = base * np.where(success, math.exp(rng.uniform(0, 12)), 1.0)
    return base / base.sum(), trained / trained.sum(), success


def divergence(trained, base):
    return float((trained * np.log(trained / base)).sum())


@pytest.mark.parametrize(
    ("p1", "p0", "nats"),
    [
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 0.0),
        (0.3, 0.3, 0.0),
        (1.0, 0.25, math.log(4)),
        (0.0, 0.25, -math.log1p(-0.25)),
        (0.5, 0.0, math.inf),
        (0.5, 1.0, math.inf),
        (1.0, 0.0, math.inf),
        (0.0, 1.0, math.inf),
        (0.5, 0.25, 0.5 * math.log(4 / 3)),
        (1e-20, 1e-25, 1e-20 * math.log(1e5) - 1e-20 + 1e-25),
    ],
)
def test_binary_relative_entropy_is_exact_at_its_edges(p1, p0, nats):
    assert float(binary_kl(p1, p0)) == pytest.approx(nats, rel=1e-12, abs=0.0)


def test_binary_relative_entropy_is_accurate_for_rare_success_and_never_negative():
    p0 = 10.0 ** np.linspace(-12, -0.01, 200)
    p1 = p0 * (1 + 1e-9)
    assert (binary_kl(p1, p0) >= 0).all()
    expected = Fraction(1, 1000) * Fraction(math.log(10)) - Fraction(9, 10_000)
    assert float(binary_kl(1e-3, 1e-4)) == pytest.approx(float(expected), rel=1e-3)
    with pytest.raises(ValueError, match=r"within \[0, 1\], got 1.2"):
        binary_kl(0.5, 1.2)


def test_selection_costs_the_logarithm_of_success():
    assert selection_cost([1.0, math.exp(-3), 0.0]).tolist() == [0.0, pytest.approx(3.0), math.inf]
    assert selection_cost(1e-9) == pytest.approx(float(binary_kl(1.0, 1e-9)))


def test_no_policy_pays_less_than_its_gain_needs_and_tilting_pays_exactly_that():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        base, trained, success = random_policies(rng)
        p1, p0 = trained[success].sum(), base[success].sum()
        assert binary_kl(min(p1, 1.0), min(p0, 1.0)) <= divergence(trained, base) + 1e-9
    base = rng.dirichlet(np.ones(10))
    success = np.arange(10) < 3
    tilted = base * np.where(success, math.e**2, 1.0)
    tilted /= tilted.sum()
    needed = binary_kl(tilted[success].sum(), base[success].sum())
    assert divergence(tilted, base) == pytest.approx(float(needed))


def test_the_certificate_never_exceeds_the_bases_success():
    rng = np.random.default_rng(1)
    tight = 0
    for _ in range(3000):
        base, trained, success = random_policies(rng)
        p1, p0 = min(trained[success].sum(), 1.0), base[success].sum()
        certified = float(certified_base_success(max(divergence(trained, base), 0.0), p1))
        assert certified <= p0 * (1 + 1e-9)
        tight += certified > 0.5 * p0 > 0
    assert tight > 100
    assert certified_base_success([0.0, 1.0, math.inf], [0.0, 1.0, 0.5]).tolist() == [
        0.0,
        pytest.approx(math.exp(-1)),
        0.0,
    ]
    with pytest.raises(ValueError, match="divergence is at least 0"):
        certified_base_success(-0.1, 0.5)


def test_kl_is_the_mean_log_ratio_of_draws_from_the_trained_policy():
    rng = np.random.default_rng(2)
    base, trained = rng.dirichlet(np.ones(8), size=2)
    truth, covered = divergence(trained, base), 0
    means = []
    for _ in range(1000):
        drawn = rng.choice(8, size=200, p=trained)
        kl = trajectory_kl(np.log(trained / base)[drawn])
        covered += kl.low <= truth <= kl.high
        means.append(kl.estimate)
    error = np.std(means) / math.sqrt(len(means))
    assert abs(np.mean(means) - truth) <= 4 * error
    assert 0.93 <= covered / 1000 <= 0.97


def test_kl_at_its_edges():
    assert trajectory_kl([0.5]) == Estimate(0.5, 0.0, math.inf, 1)
    assert trajectory_kl([1.0, math.inf]) == Estimate(math.inf, math.inf, math.inf, 2)
    assert trajectory_kl([0.0, 0.0]) == Estimate(0.0, 0.0, 0.0, 2)
    noisy = trajectory_kl([-1.0, -1.1, 0.3])
    assert noisy.estimate < 0 == noisy.low < noisy.high
    for wrong in ([], [math.nan], [-math.inf, 1.0]):
        with pytest.raises(ValueError, match="KL needs the log-ratios"):
            trajectory_kl(wrong)


def test_the_needed_divergence_is_bounded_over_all_probabilities_within_their_intervals():
    rng = np.random.default_rng(3)
    for _ in range(200):
        low1, high1, low0, high0 = np.concatenate([np.sort(rng.random(2)), np.sort(rng.random(2))])
        p1, p0 = Estimate(low1, low1, high1, 10), Estimate(high0, low0, high0, 20)
        needed = needed_kl(p1, p0)
        grid = binary_kl(np.linspace(low1, high1, 201)[:, None], np.linspace(low0, high0, 201))
        assert needed.low <= grid.min() + 1e-12
        assert needed.low == pytest.approx(grid.min(), abs=2e-4)
        assert needed.high == pytest.approx(grid.max())
        assert needed.n == 10


def test_eta_is_clipped_and_open_where_nothing_is_known():
    def between(estimate, low, high):
        return Estimate(estimate, low, high, 10)

    assert eta(between(1.0, 0.5, 2.0), between(4.0, 2.0, 5.0)).estimate == 0.25
    assert eta(between(1.0, 0.5, 2.0), between(4.0, 2.0, 5.0)).low == pytest.approx(0.1)
    assert eta(between(1.0, 0.5, 2.0), between(4.0, 2.0, 5.0)).high == 1.0
    assert eta(between(1.1, 0.5, 2.0), between(1.0, 0.9, 1.1)).estimate == 1.0
    unseen = eta(between(math.inf, 2.0, math.inf), between(8.0, 7.0, 10.0))
    assert (unseen.estimate, unseen.low, unseen.high) == (None, 0.2, 1.0)
    untrained = eta(between(0.01, 0.0, 0.1), between(-0.001, 0.0, 0.01))
    assert (untrained.estimate, untrained.low, untrained.high) == (None, 0.0, 1.0)
    unscored = eta(between(1.0, 0.5, 2.0), between(math.inf, math.inf, math.inf))
    assert (unscored.estimate, unscored.low, unscored.high) == (0.0, 0.0, 0.0)


def test_the_interval_of_eta_covers_for_a_reweighted_and_for_a_drifted_policy():
    rng = np.random.default_rng(4)
    base = np.array([0.01, 0.04, 0.45, 0.5])
    success = np.array([True, True, False, False])
    tilted = np.array([0.01, 0.04, 0.45, 0.5]) * np.array([20, 20, 1, 1])
    for trained in (tilted / tilted.sum(), np.array([0.4, 0.1, 0.05, 0.45])):
        p1, p0 = trained[success].sum(), base[success].sum()
        truth = float(binary_kl(p1, p0)) / divergence(trained, base)
        covered = 0
        for _ in range(400):
            drawn = rng.choice(4, size=300, p=trained)
            measured = free_energy(
                np.log(trained / base)[drawn],
                success_probability(300, int(success[drawn].sum()), 0.05 / 3),
                success_probability(400, int(rng.binomial(400, p0)), 0.05 / 3),
                0.05 / 3,
            )
            covered += (
                measured.eta.low <= truth * (1 + 1e-12) and truth <= measured.eta.high + 1e-12
            )
            assert measured.base_success_certified <= p0
        assert covered / 400 >= 0.95


def test_the_frontier_starts_at_the_base_and_ends_at_certain_success():
    kl_K, reward_K = tilting_frontier(0.01, 50)
    assert (kl_K[0], reward_K[0]) == (0.0, pytest.approx(0.01))
    assert (kl_K[-1], reward_K[-1]) == (pytest.approx(math.log(100)), 1.0)
    assert (np.diff(kl_K) > 0).all()
    assert (np.diff(reward_K) > 0).all()
    weight = reward_K[20] / (1 - reward_K[20]) * 0.99 / 0.01
    tilted = np.array([0.01 * weight, 0.99])
    tilted /= tilted.sum()
    assert divergence(tilted, np.array([0.01, 0.99])) == pytest.approx(kl_K[20])
    with pytest.raises(ValueError, match="0 < p0 <= 1"):
        tilting_frontier(0.0)


def test_a_success_probability_needs_draws():
    assert success_probability(10, 0).high == pytest.approx(1 - 0.025**0.1)
    with pytest.raises(ValueError, match="at least one draw, got n=0"):
        success_probability(0, 0)
