"""pass^k and pass@k over tasks: against enumeration, and how often their bounds hold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from reachgym.support import (
    attempt_grid,
    clopper_pearson,
    consistency_curve,
    pass_at_k,
    pass_hat_k,
    success_rate,
    task_mean,
)
from reachgym.support.hypotheses import mean_above, mean_below


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize("c", range(7))
def test_pass_hat_k_is_the_share_of_subsets_without_a_failure(c, k):
    subsets = list(combinations([1] * c + [0] * (6 - c), k))
    assert pass_hat_k(6, c, k) == pytest.approx(np.mean([all(subset) for subset in subsets]))


def test_pass_hat_k_is_unbiased_for_the_probability_that_all_succeed():
    c = np.random.default_rng(0).binomial(8, 0.7, 200_000)
    assert pass_hat_k(8, c, 4).mean() == pytest.approx(0.7**4, abs=0.003)


def test_more_attempts_than_were_made_are_an_error():
    with pytest.raises(ValueError, match="k <= n"):
        pass_hat_k(4, 2, 5)


def test_a_grid_ends_with_all_attempts():
    assert [attempt_grid(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]
    with pytest.raises(ValueError, match="at least one"):
        attempt_grid(0)


def test_a_curve_shows_both_from_one_attempt_to_all():
    curve = consistency_curve([4, 4, 4], [4, 2, 0])
    assert [point.k for point in curve] == [1, 2, 4]
    assert [point.some.estimate for point in curve] == pytest.approx([0.5, 11 / 18, 2 / 3])
    assert [point.every.estimate for point in curve] == pytest.approx([0.5, 7 / 18, 1 / 3])


def test_a_point_stands_on_the_tasks_with_enough_attempts():
    one, two, four = consistency_curve([4, 1, 0], [2, 1, 0])
    assert (one.some.n, two.some.n, four.every.n) == (2, 1, 1)
    assert one.some.estimate == pytest.approx(0.75)
    assert two.every.estimate == pytest.approx(1 / 6)
    with pytest.raises(ValueError, match="k=8"):
        consistency_curve([4, 1], [2, 1], [8])


def test_a_success_rate_with_one_attempt_per_task_is_bounded_by_clopper_pearson():
    found = success_rate([1] * 20, [1] * 3 + [0] * 17)
    low, high = clopper_pearson(20, 3)
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_all_attempts_alike_leave_the_bounds_apart():
    edge = 0.025 ** (1 / 10)
    every, none = success_rate([16] * 10, [16] * 10), success_rate([16] * 10, [0] * 10)
    assert (every.low, every.high) == pytest.approx((edge, 1.0))
    assert (none.low, none.high) == pytest.approx((0.0, 1 - edge))


def test_more_attempts_at_the_same_tasks_do_not_count_as_more_tasks():
    few, many = (
        success_rate([2] * 10, [2] * 5 + [0] * 5),
        success_rate([200] * 10, [200] * 5 + [0] * 5),
    )
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


@pytest.mark.parametrize("tasks", [10, 50])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (5, 5), (0.05, 2), (2, 0.05)])
@pytest.mark.parametrize("rule", [pass_at_k, pass_hat_k])
def test_bounds_over_tasks_hold_as_often_as_they_say(rule, a, b, tasks):
    rng = np.random.default_rng([tasks, rule is pass_at_k])
    for k in (1, 4):
        values = rule(4, rng.binomial(4, rng.beta(a, b, (2000, tasks))), k)
        p = rng.beta(a, b, 1_000_000)
        truth = float((1 - (1 - p) ** k if rule is pass_at_k else p**k).mean())
        # A bound holds where the test of the truth that it inverts does not reject.
        held = [min(mean_above(v, truth), mean_below(v, truth)) >= 0.025 for v in values]
        assert np.mean(held) >= 0.94


def test_a_mean_over_tasks_refuses_what_it_cannot_bound():
    with pytest.raises(ValueError, match="at least one"):
        task_mean([])
    with pytest.raises(ValueError, match=r"within \[0, 1\]"):
        task_mean([0.5, -0.1])
    with pytest.raises(ValueError, match="alpha"):
        task_mean([0.5], alpha=0.0)
    with pytest.raises(ValueError, match="c <= n"):
        success_rate([4], [5])
    with pytest.raises(ValueError, match="no task"):
        success_rate([0], [0])
