"""Clopper-Pearson coverage by enumeration, thresholds, and the constants of the level's proof."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reachgym.support import (
    Label,
    attempts_to_success,
    clopper_pearson,
    draws_to_exclude,
    label,
    lower_bound,
    p_in,
    p_out,
    upper_bound,
)
from reachgym.support.bounds import side_level


@pytest.mark.parametrize("n", [1, 7, 40, 300])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_bounds_cover_at_their_level_for_every_p(n, alpha):
    c = np.arange(n + 1)
    low, high = lower_bound(n, c, alpha), upper_bound(n, c, alpha)
    both = clopper_pearson(n, c, alpha)
    for p in np.linspace(0.001, 0.999, 211):
        pmf = stats.binom.pmf(c, n, p)
        assert pmf[low > p].sum() <= alpha + 1e-12
        assert pmf[high < p].sum() <= alpha + 1e-12
        assert pmf[(both[0] > p) | (both[1] < p)].sum() <= alpha + 1e-12


def test_bounds_agree_with_scipy():
    interval = stats.binomtest(7, 50).proportion_ci(confidence_level=0.95, method="exact")
    low, high = clopper_pearson(50, 7)
    assert (float(low), float(high)) == pytest.approx((interval.low, interval.high))


def test_no_success_bounds_by_about_three_over_n_and_never_below_zero():
    assert float(upper_bound(3000, 0)) == pytest.approx(3 / 3000, rel=0.01)
    assert float(lower_bound(3000, 0)) == 0.0
    assert float(upper_bound(5, 5)) == 1.0
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_thresholds_say_how_likely_a_success_within_the_budget_is():
    for attempts in (1, 16, 64, 256, 10**6):
        assert 1 - (1 - p_in(attempts)) ** attempts == pytest.approx(0.5)
        assert 1 - (1 - p_out(attempts)) ** attempts == pytest.approx(0.05)
    assert p_out(10**12) == pytest.approx(-math.log(0.95) * 1e-12, rel=1e-10)


def test_draws_to_exclude_is_the_least_number_that_suffices():
    for attempts in (1, 4, 16, 64, 256, 1000):
        n = draws_to_exclude(attempts)
        assert label(n, 0, attempts) is Label.OUT_OF_REACH
        assert label(n - 1, 0, attempts) is Label.UNDECIDED
    assert draws_to_exclude(64) == 3738


def test_the_divergence_in_the_proof_of_the_level_exceeds_thirteen():
    for attempts in [*range(1, 300), 10**4, 10**6]:
        high, low = p_in(attempts), p_out(attempts)
        kl = high * math.log(high / low) + (1 - high) * math.log((1 - high) / (1 - low))
        assert kl / -math.log1p(-low) > 16
    assert math.log(0.5) / math.log(0.95) > 13


def test_attempts_to_success_invert_the_interval():
    fast, slow = attempts_to_success([100, 100], [50, 0])
    low, high = clopper_pearson(100, 50)
    assert fast[0] == pytest.approx(1 / float(high))
    assert slow[0] == pytest.approx(1 / float(low))
    assert slow[1] == math.inf


def test_wrong_arguments_are_errors():
    with pytest.raises(ValueError, match="0 <= c <= n"):
        lower_bound(5, 6)
    with pytest.raises(ValueError, match="alpha"):
        upper_bound(5, 2, 1.0)
    with pytest.raises(ValueError, match=r"\(0, 0\.5\)"):
        side_level(0.5)
    with pytest.raises(ValueError, match="at least 1"):
        p_in(0)
