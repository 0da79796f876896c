"""Means over tasks and families: what they weigh alike, what their bounds are exact for."""

from __future__ import annotations

import numpy as np
import pytest

from reachgym.support import TaskCounts, clopper_pearson, clustered_mean, pass_at_k, pass_at_k_curve


def rows(c_S_F_T, n=50):
    return [
        TaskCounts("rl", seed, f"f{family}", f"t{task}", n, int(c))
        for (seed, family, task), c in np.ndenumerate(np.asarray(c_S_F_T))
    ]


def test_a_family_counts_the_same_whatever_its_number_of_tasks():
    counts = [TaskCounts("rl", 0, "many", f"t{i}", 10, 0) for i in range(9)]
    counts.append(TaskCounts("rl", 0, "one", "t0", 10, 10))
    (point,) = pass_at_k_curve(counts, [1])
    assert point.value.estimate == pytest.approx(0.5)
    assert (point.value.n, point.draws) == (10, 10)


def test_a_task_counts_once_however_many_seeds_tried_it():
    counts = rows([[[50, 50, 0]], [[0, 50, 0]]])
    (point,) = pass_at_k_curve(counts, [1])
    assert point.value.estimate == pytest.approx((0.5 + 1 + 0) / 3)
    assert point.seeds == pytest.approx((2 / 3, 1 / 3))
    once = clustered_mean(rows([[[0] * 16]]), [0.5] * 16)
    twice = clustered_mean(rows([[[0] * 16]] * 2), [0.0] * 16 + [1.0] * 16)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_bounds_of_flags_over_tasks_are_clopper_pearson():
    found = clustered_mean(rows([[[0] * 20]]), [1.0] * 3 + [0.0] * 17)
    low, high = clopper_pearson(20, 3)
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_families_are_the_clusters_where_there_are_several():
    found = clustered_mean(rows(np.zeros((2, 4, 30))), np.repeat([1.0, 1, 1, 0] * 2, 30))
    low, high = clopper_pearson(4, 3)
    assert found.estimate == 0.75
    assert (found.low, found.high) == pytest.approx((float(low), float(high)))


def test_bounds_stay_open_where_no_draw_or_every_draw_succeeded():
    none, every = rows(np.zeros((2, 1, 16))), rows(np.full((2, 1, 16), 50))
    (low,), (high,) = pass_at_k_curve(none, [8]), pass_at_k_curve(every, [8])
    edge = 0.025 ** (1 / 16)
    assert (low.value.low, low.value.high) == pytest.approx((0.0, 1 - edge))
    assert (high.value.low, high.value.high) == pytest.approx((edge, 1.0))


def test_differences_are_bounded_within_their_own_range():
    found = clustered_mean(rows(np.zeros((1, 1, 16))), np.ones(16), least=-1.0)
    assert found.low == pytest.approx(2 * 0.025 ** (1 / 16) - 1)
    with pytest.raises(ValueError, match="at least 0"):
        clustered_mean(rows(np.zeros((1, 1, 2))), [-1.0, 0.0])


def test_the_order_of_records_does_not_matter():
    rng = np.random.default_rng(0)
    counts = rows(rng.integers(0, 50, (2, 3, 8)))
    shuffled = [counts[at] for at in rng.permutation(len(counts))]
    assert pass_at_k_curve(shuffled, [1, 8]) == pass_at_k_curve(counts, [1, 8])


def test_a_curve_is_the_mean_of_the_tasks_estimates():
    rng = np.random.default_rng(7)
    counts = rows(rng.binomial(4000, rng.beta(0.3, 3, (2, 6, 16))), 4000)
    n, c = np.array([row.n for row in counts]), np.array([row.c for row in counts])
    for point in pass_at_k_curve(counts, [1, 16, 256]):
        assert point.value.estimate == pytest.approx(pass_at_k(n, c, point.k).mean())
        assert point.value.low < point.value.estimate < point.value.high


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="at least one record"):
        pass_at_k_curve([], [1])
    with pytest.raises(ValueError, match="one value each"):
        clustered_mean(rows([[[1, 2]]]), [1.0])
    with pytest.raises(ValueError, match=r"n=50, c=1, k=51"):
        pass_at_k_curve(rows([[[1]]]), [51])
