"""The error of labels by exact enumeration, their sources, and the draws they still need."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reachgym.support import (
    Label,
    TaskCounts,
    bound_source,
    draws_to_exclude,
    further_draws,
    label,
    labels,
    lower_bound,
    p_in,
    p_out,
    task_labels,
    upper_bound,
    witnessable,
)
from reachgym.support.bounds import side_level
from reachgym.support.labels import project


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.3])
@pytest.mark.parametrize("attempts", [1, 4, 16, 64])
def test_a_wrong_label_has_probability_at_most_alpha_whatever_p_is(attempts, alpha):
    inside, outside = p_in(attempts), p_out(attempts)
    grid = np.concatenate(
        [
            np.linspace(0, 1, 60),
            np.linspace(outside * 0.5, min(1, inside * 1.5), 60),
            [outside * (1 + 1e-9), inside * (1 - 1e-9)],
        ]
    )
    enough = draws_to_exclude(attempts, alpha)
    for n in {1, enough // 9 + 1, enough, 2 * enough}:
        c = np.arange(n + 1)
        named = labels(n, c, attempts=attempts, alpha=alpha)
        pmf = stats.binom.pmf(c[None], n, grid[:, None])
        wrong_in = (named == Label.IN_REACH)[None] & (grid < inside)[:, None]
        wrong_out = (named == Label.OUT_OF_REACH)[None] & (grid > outside)[:, None]
        assert np.all((pmf * (wrong_in | wrong_out)).sum(axis=1) <= alpha + 1e-12)


@pytest.mark.parametrize("attempts", [1, 16, 64])
def test_labels_are_what_the_one_sided_bounds_say(attempts):
    n, level = 2 * draws_to_exclude(attempts), side_level(0.05)
    c = np.arange(n + 1)
    named = labels(n, c, attempts=attempts)
    assert np.array_equal(named == Label.IN_REACH, lower_bound(n, c, level) >= p_in(attempts))
    assert np.array_equal(named == Label.OUT_OF_REACH, upper_bound(n, c, level) <= p_out(attempts))
    assert set(named) == set(Label)


def test_no_success_in_as_many_draws_as_attempts_certifies_nothing():
    assert label(256, 0, 256) is Label.UNDECIDED
    assert label(0, 0, 256) is Label.UNDECIDED


def test_chance_puts_a_task_out_of_reach_without_draws_where_the_caller_says_so():
    assert label(0, 0, 64, chance_bound=1e-6) is Label.OUT_OF_REACH
    assert label(0, 0, 64, chance_bound=0.01) is Label.UNDECIDED
    assert bound_source(10, 0, chance_bound=1e-6) == "chance"
    assert bound_source(10**7, 0, chance_bound=0.01) == "draws"
    assert bound_source(10, 0) == "draws"


def test_draws_win_over_a_chance_bound_that_they_refute():
    assert label(100, 50, 64, chance_bound=1e-6) is Label.IN_REACH
    assert label(100, 1, 64, chance_bound=1e-6) is Label.UNDECIDED
    assert bound_source(100, 50, chance_bound=1e-6) == "draws"


def test_records_carry_their_chance_only_where_it_bounds():
    row = TaskCounts("base", 0, "lookup-2", "t", n=10, c=0, chance=1e-6)
    barred = TaskCounts("base", 0, "lookup-2", "t", 10, 0, chance=1e-6, chance_bounds=True)
    named = task_labels([row, barred], 64)
    assert named.tolist() == [Label.UNDECIDED, Label.OUT_OF_REACH]


def test_a_task_that_chance_solves_within_the_budget_cannot_witness():
    assert witnessable([1e-6, 0.01 / 64, 2e-4], 64).tolist() == [True, True, False]


@pytest.mark.parametrize(("n", "c"), [(500, 0), (800, 1), (100, 6), (20, 1)])
def test_further_draws_at_the_observed_rate_decide(n, c):
    more = further_draws(n, c, 16)
    assert more is not None
    assert more > 0
    assert label(n + more, project(n, c, n + more), 16) is not Label.UNDECIDED


def test_further_draws_know_when_none_are_needed_and_when_none_will_do():
    assert further_draws(3738, 0, 64) == 0
    assert further_draws(1000, 0, 64) == 2738
    assert further_draws(0, 0, 64) is None
    assert further_draws(1000, 5, 64) is None
    assert further_draws(5, 0, 64, chance_bound=1e-9) == 0


def test_impossible_counts_are_errors():
    with pytest.raises(ValueError, match="0 <= c <= n"):
        labels(5, 6, attempts=4)
    with pytest.raises(ValueError, match="0 <= c <= n, got c=6, n=5"):
        TaskCounts("base", 0, "f", "t", n=5, c=6)
    with pytest.raises(ValueError, match="probability"):
        TaskCounts("base", 0, "f", "t", n=5, c=1, chance=1.5)


def test_draws_that_were_added_need_more_of_them_and_are_then_labelled():
    added = {"attempts": 64, "n": 96, "c": 0}
    assert labels(drawn=4405, solved=0, **added) == Label.UNDECIDED
    assert labels(drawn=4406, solved=0, **added) == Label.OUT_OF_REACH
    assert labels(drawn=200, solved=30, **added) == Label.IN_REACH
    assert labels(3738, 0, attempts=64) == Label.OUT_OF_REACH


def test_added_draws_refute_a_chance_bound_and_are_believed():
    believed = labels(96, 0, 1e-9, 96, 0, attempts=64)
    refuted = labels(96, 0, 1e-9, 200, 3, attempts=64)
    assert (believed, refuted) == (Label.OUT_OF_REACH, Label.UNDECIDED)
    assert bound_source(96, 0, 0.05, 1e-9, 200, 3) == "draws"


def test_adding_draws_until_a_label_comes_is_rarely_wrong_where_fixed_bounds_often_are():
    rng = np.random.default_rng(0)
    truth, batch, batches, studies = p_in(16) * 0.999, 16, 150, 1000
    c = rng.binomial(batch, truth, (studies, batches)).cumsum(axis=1)
    n = np.broadcast_to(batch * np.arange(1, batches + 1), c.shape)
    fixed = (labels(n, c, attempts=16) == Label.IN_REACH).any(axis=1)
    valid = (labels(0, 0, 1.0, n, c, attempts=16) == Label.IN_REACH).any(axis=1)
    assert fixed.mean() > 0.15
    assert valid.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(("n", "c"), [(500, 0), (100, 6), (20, 1)])
def test_further_added_draws_at_the_observed_rate_decide(n, c):
    more = further_draws(n, c, 16, adding=True)
    assert more is not None
    assert more > (further_draws(n, c, 16) or 0)
    drawn = n + more
    assert label(n, c, 16, 0.05, 1.0, drawn, project(n, c, drawn)) is not Label.UNDECIDED


def test_all_draws_hold_the_first():
    with pytest.raises(ValueError, match="must hold the first n=5 and c=2"):
        TaskCounts("base", 0, "f", "t", n=5, c=2, drawn=6, solved=1)
