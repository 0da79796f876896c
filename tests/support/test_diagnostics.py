"""Diagnostics of importance weights: known tails, known sample sizes, and nothing at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reachgym.support.diagnostics import (
    BaseDraws,
    Diagnostics,
    diagnose,
    effective_sample_size,
    largest_share,
    pareto_k,
)

GOOD = Diagnostics(base_draws=10, ess=50.0, largest_share=0.1, pareto_k=0.3, routes=4, agrees=None)


def test_even_weights_count_in_full_and_one_heavy_weight_counts_alone():
    assert effective_sample_size(np.full(40, 1e-300)) == pytest.approx(40.0)
    assert effective_sample_size([1e300] + [1.0] * 99) == pytest.approx(1.0)
    assert largest_share([3.0, 1.0, 0.0]) == 0.75


def test_nothing_with_weight_is_no_sample_at_all():
    for weights in ([], [0.0, 0.0]):
        assert effective_sample_size(weights) == 0.0
        assert largest_share(weights) == 1.0
        assert pareto_k(weights) == math.inf


@pytest.mark.parametrize("shape", [0.1, 0.5, 1.0, 1.5])
def test_the_shape_of_a_pareto_tail_is_found(shape):
    rng = np.random.default_rng(0)
    found = [pareto_k(stats.genpareto.rvs(shape, size=4_000, random_state=rng)) for _ in range(100)]
    # Ten observations' worth of 1/2 among 190.
    assert np.mean(found) == pytest.approx((190 * shape + 5) / 200, abs=0.05)


def test_the_shape_does_not_depend_on_scale_or_order():
    weights = stats.genpareto.rvs(0.6, size=500, random_state=1)
    assert pareto_k(weights[::-1] * 1e-250) == pytest.approx(pareto_k(weights), rel=1e-9)


def test_equal_largest_weights_have_no_tail_and_few_weights_no_telling():
    assert pareto_k([1.0] * 30) == -math.inf
    assert pareto_k(list(range(1, 20))) == math.inf
    assert pareto_k([1.0] * 100 + [2.0, 3.0]) == math.inf


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_draws", 0),
        ("ess", 29.9),
        ("largest_share", 0.21),
        ("pareto_k", 0.7),
        ("agrees", False),
    ],
)
def test_a_failed_check_is_named(name, value):
    fields = {field: getattr(GOOD, field) for field in GOOD.__dataclass_fields__}
    assert GOOD.ok
    assert not GOOD.failed
    failed = Diagnostics(**{**fields, name: value})
    assert failed.failed == (name,)
    assert not failed.ok


def test_routes_are_counted_where_they_have_weight():
    found = diagnose(np.array([0.1, 0.2, 0.0]), np.array(["a", "a", "b"]), BaseDraws(9, 1), 0, 0.05)
    assert found.routes == 1


@pytest.mark.parametrize(
    ("own", "low", "estimate", "agrees"),
    [
        (BaseDraws(1000, 4), 0.5, 0.5, None),
        (BaseDraws(1000, 20), 0.015, 0.02, True),
        (BaseDraws(1000, 20), 1e-7, 1e-6, False),
        (BaseDraws(1000, 20), 0.01, 0.09, True),
        (BaseDraws(1000, 20), 0.08, 0.09, False),
    ],
)
def test_the_estimate_is_held_against_the_bases_own_draws(own, low, estimate, agrees):
    weights = np.full(50, estimate / 50)
    assert diagnose(weights, np.arange(50), own, low, 0.05).agrees is agrees


def test_wrong_weights_are_errors():
    for weights in ([-1.0], [math.nan], [math.inf]):
        with pytest.raises(ValueError, match="finite weights"):
            effective_sample_size(weights)
