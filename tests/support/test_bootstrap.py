"""Bands: their levels of resampling, their coverage, their open sides, their speed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from reachgym.support import TaskCounts, pass_at_k, pass_at_k_curve, share_band


def rows(c_S_F_T, n=50):
    return [
        TaskCounts("rl", seed, f"f{family}", f"t{task}", n, int(c))
        for (seed, family, task), c in np.ndenumerate(np.asarray(c_S_F_T))
    ]


def test_the_estimate_is_the_mean_over_seeds_of_means_over_families():
    counts = [
        TaskCounts("rl", 0, "a", "t0", 10, 10),
        TaskCounts("rl", 0, "a", "t1", 10, 0),
        TaskCounts("rl", 0, "a", "t2", 10, 0),
        TaskCounts("rl", 0, "b", "t0", 10, 10),
        TaskCounts("rl", 1, "a", "t0", 20, 0),
    ]
    (point,) = pass_at_k_curve(counts, [1], np.random.default_rng(0), replicates=50)
    assert point.value.estimate == pytest.approx(((1 / 3 + 1) / 2 + 0) / 2)
    assert (point.value.n, point.draws) == (4, 10)
    band = share_band(counts, [1, 0, 0, 1, 0], np.random.default_rng(0), replicates=4000)
    assert band.estimate == pytest.approx(1 / 3)
    assert band.low == 0.0
    assert band.high > 0.9


def test_replicates_are_centred_on_the_estimate_for_unequal_families():
    counts = [TaskCounts("rl", 0, "a", f"t{i}", 10, 10 * (i < 2)) for i in range(8)]
    counts += [TaskCounts("rl", 0, "b", f"t{i}", 10, 10 * (i < 1)) for i in range(2)]
    values = [row.c / row.n for row in counts]
    band = share_band(counts, values, np.random.default_rng(0), replicates=4000)
    assert band.estimate == pytest.approx((0.25 + 0.5) / 2)
    assert (band.low + band.high) / 2 == pytest.approx(band.estimate, abs=0.15)


def test_the_same_seed_gives_the_same_band():
    counts = rows(np.random.default_rng(0).integers(0, 50, (2, 2, 6)))
    first, second = (pass_at_k_curve(counts, [1, 8], np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_draws_alone_spread_a_band_like_a_binomial():
    (point,) = pass_at_k_curve(rows([[[25]]]), [1], np.random.default_rng(0), replicates=8000)
    half = 1.96 * (0.25 / 50) ** 0.5
    assert point.value.high - point.value.low == pytest.approx(2 * half, rel=0.1)


def test_a_band_stays_open_where_no_draw_or_every_draw_succeeded():
    none, every = rows(np.zeros((2, 1, 4))), rows(np.full((2, 1, 4), 50))
    low = pass_at_k_curve(none, [1, 8], np.random.default_rng(0), replicates=50)
    high = pass_at_k_curve(every, [1, 8], np.random.default_rng(0), replicates=50)
    edge = 1 - 0.025 ** (1 / 50)
    assert [point.value.low for point in low] == [0.0, 0.0]
    assert low[1].value.high == pytest.approx(1 - (1 - edge) ** 8)
    assert high[0].value.low == pytest.approx(1 - edge)
    assert high[1].value.high == 1.0


def test_bands_cover_the_mean_of_the_population_of_tasks():
    rng = np.random.default_rng(5)
    k, n, studies = 8, 60, 200
    many = rng.beta(0.5, 3, 200_000)
    truth = float((1 - (1 - many) ** k).mean())
    covered = 0
    for _ in range(studies):
        p = rng.beta(0.5, 3, (1, 1, 24))
        counts = rows(rng.binomial(n, p), n)
        (point,) = pass_at_k_curve(counts, [k], rng, replicates=400)
        covered += point.value.low <= truth <= point.value.high
    assert 0.90 <= covered / studies <= 0.99


def test_family_clustered_bands_cover_where_bands_over_tasks_would_not():
    rng = np.random.default_rng(6)
    covered = covered_by_tasks = 0
    for _ in range(150):
        families = rng.beta(0.6, 0.6, 10)
        flags = rng.random((1, 10, 16)) < families[None, :, None]
        counts = rows(np.zeros((1, 10, 16)))
        band = share_band(counts, flags.ravel(), rng, replicates=300)
        covered += band.low <= 0.5 <= band.high
        flat = rows(np.zeros((1, 1, 160)))
        narrow = share_band(flat, flags.ravel(), rng, replicates=300)
        covered_by_tasks += narrow.low <= 0.5 <= narrow.high
    assert covered / 150 >= 0.86
    assert covered_by_tasks / 150 < 0.7


def test_a_curve_of_two_seeds_six_families_and_sixteen_tasks_takes_under_two_seconds():
    rng = np.random.default_rng(7)
    counts = rows(rng.binomial(4000, rng.beta(0.3, 3, (2, 6, 16))), 4000)
    ks = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    started = time.process_time()
    curve = pass_at_k_curve(counts, ks, rng)
    assert time.process_time() - started < 2.0
    n, c = np.array([row.n for row in counts]), np.array([row.c for row in counts])
    for point in curve:
        assert point.value.estimate == pytest.approx(pass_at_k(n, c, point.k).mean())
        assert point.value.low < point.value.estimate < point.value.high


def test_wrong_input_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least one record"):
        pass_at_k_curve([], [1], rng)
    with pytest.raises(ValueError, match="one value each"):
        share_band(rows([[[1, 2]]]), [1.0], rng)
    with pytest.raises(ValueError, match=r"n=50, c=1, k=51"):
        pass_at_k_curve(rows([[[1]]]), [51], rng)


def test_a_share_does_not_depend_on_the_order_of_its_records():
    rows = [
        TaskCounts("rl", seed, family, f"t{task}", 10, 5)
        for seed in (1, 0)
        for family, tasks in (("many", 7), ("one", 1))
        for task in range(tasks)
    ]
    values = [float(row.family == "one") for row in rows]
    found = share_band(rows, values, np.random.default_rng(0), 50)
    assert found.estimate == pytest.approx(0.5)
    backwards = share_band(rows[::-1], values[::-1], np.random.default_rng(0), 50)
    assert backwards == found
