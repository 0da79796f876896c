"""Anytime-valid bounds: coverage under adversarial stopping, martingales by hand, sharpness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from reachgym.support import draws_to_exclude, p_in, p_out
from reachgym.support.anytime import (
    anytime_lower,
    anytime_upper,
    betting_lower,
    decided,
    log_wealth,
    markov_lower,
)

LOG_20 = math.log(20.0)


def most_errors(repetitions, alpha=0.05):
    return alpha + 3 * math.sqrt(alpha * (1 - alpha) / repetitions)


@pytest.mark.parametrize("p", [0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_stopping_as_soon_as_the_truth_is_excluded_succeeds_too_rarely_by_enumeration(p):
    most = 400
    n, c = np.meshgrid(np.arange(most + 1), np.arange(most + 1), indexing="ij")
    possible = c <= n
    low, high = np.zeros(n.shape), np.ones(n.shape)
    low[possible] = anytime_lower(n[possible], c[possible])
    high[possible] = anytime_upper(n[possible], c[possible])
    alive, stopped = np.zeros(most + 1), 0.0
    alive[0] = 1.0
    for draws in range(1, most + 1):
        alive = alive * (1 - p) + np.concatenate([[0.0], alive[:-1] * p])
        wrong = (low[draws] > p) | (high[draws] < p)
        stopped += alive[wrong].sum()
        alive[wrong] = 0.0
    assert stopped + alive.sum() == pytest.approx(1.0)
    assert stopped <= 0.05


@pytest.mark.parametrize("p", [0.0004, 0.0011, 0.005, 0.0108, 0.2])
def test_stopping_as_soon_as_the_truth_is_excluded_succeeds_too_rarely_in_long_runs(p):
    repetitions, most = 2_000, 20_000
    rng = np.random.default_rng([1, int(p * 1e6)])
    c = np.zeros(repetitions, dtype=np.int64)
    excluded = np.zeros(repetitions, dtype=bool)
    looks = np.unique(np.geomspace(1, most, 400).astype(int))
    for n, new in zip(looks, np.diff(looks, prepend=0), strict=True):
        c += rng.binomial(new, p, size=repetitions)
        excluded |= log_wealth(n, c, p) >= LOG_20
    assert excluded.mean() <= most_errors(repetitions)


@pytest.mark.parametrize("p", [p_out(4) + 1e-9, 0.05, 0.1, p_in(4) - 1e-9])
def test_sampling_until_decided_is_wrong_at_most_at_alpha_even_between_the_thresholds(p):
    repetitions = 2_000
    rng = np.random.default_rng(7)
    c = rng.binomial(1, p, size=(repetitions, 1_500)).cumsum(axis=1)
    n = np.arange(1, 1_501)
    assert decided(n, c, 4).any(axis=1).mean() <= most_errors(repetitions)


def test_a_decision_is_a_bound_beyond_its_threshold():
    n, c = np.meshgrid(np.arange(600), np.arange(60), indexing="ij")
    n, c = n[c <= n], c[c <= n]
    by_bounds = (anytime_lower(n, c) >= p_in(8)) | (anytime_upper(n, c) <= p_out(8))
    assert np.array_equal(decided(n, c, 8), by_bounds)


@pytest.mark.parametrize(("n", "c"), [(1, 0), (1, 1), (30, 0), (30, 4), (30, 30), (500, 3)])
def test_wealth_is_that_of_a_bettor_who_spreads_over_what_the_probability_may_be(n, c):
    p = 0.07
    prior = stats.beta(0.2, 1.0)

    def wealth(u):
        q = prior.ppf(u)
        return (q / p) ** c * ((1 - q) / (1 - p)) ** (n - c)

    spread, _ = integrate.quad(wealth, 0, 1, limit=500, epsabs=0, epsrel=1e-9)
    never = (1 - p) ** -n if c == 0 else 0.0
    assert float(log_wealth(n, c, p)) == pytest.approx(math.log(spread / 2 + never / 2), abs=1e-6)


def test_wealth_is_a_martingale_under_the_probability_bet_against():
    n, c = np.meshgrid(np.arange(80), np.arange(80), indexing="ij")
    n, c = n[c <= n], c[c <= n]
    for p in (0.003, 0.4, 0.97):
        now = np.exp(log_wealth(n, c, p))
        then = p * np.exp(log_wealth(n + 1, c + 1, p)) + (1 - p) * np.exp(log_wealth(n + 1, c, p))
        assert then == pytest.approx(now, rel=1e-9)


def test_bounds_lie_where_the_wealth_reaches_one_over_alpha():
    rng = np.random.default_rng(3)
    n = rng.integers(1, 10**6, 500)
    c = rng.binomial(n, rng.random(500) ** 6)
    low, high = anytime_lower(n, c, 0.1), anytime_upper(n, c, 0.1)
    some, short = c > 0, c < n
    assert log_wealth(n, c, low.clip(1e-300))[some] == pytest.approx(math.log(10), abs=1e-4)
    assert log_wealth(n, c, high.clip(None, 1 - 1e-16))[short] == pytest.approx(
        math.log(10), abs=1e-4
    )
    assert np.all((low <= c / n) & (c / n <= high))


def test_bounds_grow_with_every_success_and_fall_with_every_failure():
    for n in (1, 2, 17, 400):
        c = np.arange(n + 1)
        assert np.all(np.diff(anytime_lower(n, c)) > 0)
        assert np.all(np.diff(anytime_upper(n, c)) > 0)
        assert np.all(anytime_lower(n + 1, c) <= anytime_lower(n, c))
        assert np.all(anytime_upper(n + 1, c) <= anytime_upper(n, c))


def test_nothing_drawn_bounds_nothing():
    assert (float(anytime_lower(0, 0)), float(anytime_upper(0, 0))) == (0.0, 1.0)
    assert float(anytime_lower(50, 0)) == 0.0
    assert float(anytime_upper(50, 50)) == 1.0


@pytest.mark.parametrize("attempts", [1, 16, 64, 256, 4096])
def test_without_success_leaving_reach_costs_under_a_quarter_more_than_a_fixed_number(attempts):
    fixed = draws_to_exclude(attempts)
    n = np.arange(1, 2 * fixed)
    needed = int(n[decided(n, 0, attempts).argmax()])
    assert fixed < needed <= 1.24 * fixed
    assert float(anytime_upper(needed, 0)) <= p_out(attempts) < float(anytime_upper(needed - 1, 0))


def test_common_success_is_in_reach_of_64_after_a_few_draws():
    rng = np.random.default_rng(5)
    for p, draws in ((1.0, 3), (0.5, 10), (0.1, 70)):
        n = np.arange(1, 1_001)
        c = rng.binomial(1, p, size=(2_000, 1_000)).cumsum(axis=1)
        first = decided(n, c, 64).argmax(axis=1) + 1
        assert first.mean() <= draws


def test_tens_of_thousands_of_tasks_are_bounded_in_one_call():
    n = np.full((200, 100), 3_000)
    c = np.arange(100)
    assert anytime_lower(n, c).shape == anytime_upper(n, c).shape == (200, 100)


TERMS = {
    "constant": lambda rng, shape: np.ones(shape),
    "exponential": lambda rng, shape: rng.exponential(1.0, shape),
    "rare": lambda rng, shape: rng.binomial(1, 0.02, shape) * rng.exponential(50.0, shape),
    "heavy": lambda rng, shape: rng.pareto(1.5, shape) * 0.5,
    "two_sizes": lambda rng, shape: np.where(rng.random(shape) < 0.005, 100.5, 0.5),
}


@pytest.mark.parametrize("kind", list(TERMS))
def test_betting_bound_holds_when_terms_are_added_until_it_fails(kind):
    repetitions, looks = 2_000, (5, 8, 13, 20, 32, 50, 80, 130, 200, 320)
    rng = np.random.default_rng(11)
    rows = TERMS[kind](rng, (repetitions, looks[-1]))
    # The bound never exceeds the average, so only runs above the truth can be wrong.
    wrong = [
        any(betting_lower(row[:n]) > 1.0 for n in looks if row[:n].mean() > 1.0) for row in rows
    ]
    assert np.mean(wrong) <= most_errors(repetitions)


def test_betting_bound_lies_where_the_mixed_wealth_reaches_one_over_alpha():
    rng = np.random.default_rng(2)
    terms = rng.exponential(3.0, 40) * (rng.random(40) < 0.4)
    low = betting_lower(terms, 0.1)
    bets = 1 / (1 + np.exp(-np.linspace(-12, 4, 33)))
    wealth = np.mean([np.prod(1 - bet + bet * terms / low) for bet in bets])
    assert wealth == pytest.approx(10.0, rel=1e-6)
    assert low < terms.mean()


def test_betting_bound_scales_with_its_terms_and_knows_no_order():
    rng = np.random.default_rng(4)
    terms = rng.exponential(1.0, 60)
    low = betting_lower(terms)
    assert betting_lower(terms[::-1]) == pytest.approx(low, rel=1e-9)
    assert betting_lower(terms * 1e-200) == pytest.approx(low * 1e-200, rel=1e-9)
    assert betting_lower([]) == betting_lower([0.0, 0.0]) == 0.0


def test_betting_bound_closes_in_on_the_mean():
    rng = np.random.default_rng(6)
    assert betting_lower(np.ones(100)) > 0.93
    assert betting_lower(rng.exponential(1.0, 1_000)) > 0.85
    assert betting_lower(rng.binomial(1, 0.01, 10_000)) > 0.006


def test_markov_bound_is_alpha_times_the_estimate():
    assert markov_lower([0.2, 0.0], 0.05).tolist() == pytest.approx([0.01, 0.0])


def test_wrong_arguments_are_errors():
    with pytest.raises(ValueError, match="0 <= c <= n"):
        anytime_lower(5, 6)
    with pytest.raises(ValueError, match="alpha"):
        anytime_upper(5, 2, 1.0)
    with pytest.raises(ValueError, match="at least 1"):
        decided(5, 2, 0)
    with pytest.raises(ValueError, match="within"):
        log_wealth(5, 2, 0.0)
    with pytest.raises(ValueError, match="finite terms"):
        betting_lower([1.0, -0.1])
    with pytest.raises(ValueError, match="at least 0"):
        markov_lower(-1.0)
