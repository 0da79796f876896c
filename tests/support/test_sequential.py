"""Where draws go: to undecided tasks, until they are decided, hopeless or too dear."""

from __future__ import annotations

import numpy as np
import pytest

from reachgym.support import Label, labels, p_in, p_out
from reachgym.support.sequential import between, draws_without_success, fixed_plan, next_draws

B = 64


def test_a_decided_task_gets_nothing_and_an_open_one_doubles():
    assert next_draws([96, 96], [40, 2], 10_000, attempts=B).tolist() == [0, 96]


def test_a_task_never_solved_gets_no_more_than_makes_it_out_of_reach():
    enough = draws_without_success(B)
    added = int(next_draws(4000, 0, 10_000, attempts=B))
    assert 4000 + added == enough
    assert labels(96, 0, 1.0, enough, 0, attempts=B) == Label.OUT_OF_REACH
    assert int(next_draws(enough, 0, 10_000, attempts=B)) == 0


def test_no_task_gets_more_than_its_budget():
    assert next_draws([96, 150, 200], 0, [120, 160, 200], attempts=B).tolist() == [24, 10, 0]


def test_a_task_between_the_thresholds_is_given_up():
    rate = np.sqrt(p_in(B) * p_out(B))
    n = 200_000
    assert between(n, round(rate * n), B)
    assert int(next_draws(n, round(rate * n), 10**7, attempts=B)) == 0


def test_a_task_that_chance_excludes_is_not_drawn():
    assert int(next_draws(96, 0, 10_000, 1e-6, attempts=B)) == 0


@pytest.mark.parametrize("truth", [0.0, 0.5 * p_out(B), p_in(B), 3 * p_in(B), 0.9])
def test_draws_end_and_labels_that_come_of_them_are_rarely_wrong(truth):
    rng = np.random.default_rng(1)
    n = np.full(400, 96)
    c = rng.binomial(96, truth, 400)
    while (more := next_draws(n, c, 20_000, attempts=B)).any():
        c = c + rng.binomial(more, truth)
        n = n + more
    found = labels(n, c, 1.0, n, c, attempts=B)
    wrong = Label.IN_REACH if truth < p_in(B) else Label.OUT_OF_REACH
    assert (found == wrong).mean() <= 0.05
    assert n.max() <= 20_000


def test_a_fixed_plan_costs_what_its_dearest_task_needs():
    assert fixed_plan([4406, 96], [0, 90], attempts=B) == 3738
    assert fixed_plan([96, 96], [90, 60], attempts=B) <= 5
