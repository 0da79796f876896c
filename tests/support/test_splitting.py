"""Multilevel splitting on a chain whose success probability is known by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reachgym.support.splitting import LevelCount, multilevel_splitting

# From each state at a milestone: chances of the two states at the next one; the rest fails.
STEPS = (
    {"start": (0.2, 0.1)},
    {"good": (0.3, 0.2), "bad": (0.05, 0.05)},
    {"good": (0.2, 0.2), "bad": (0.02, 0.08)},
)


def run(state, seed):
    level, place = state
    good, bad = STEPS[level][place]
    u = np.random.default_rng(seed).random()
    if u >= good + bad:
        return None
    return level + 1, "good" if u < good else "bad"


def success_probability():
    reached = {"start": 1.0}
    for step in STEPS:
        after = {"good": 0.0, "bad": 0.0}
        for place, probability in reached.items():
            good, bad = step[place]
            after["good"] += probability * good
            after["bad"] += probability * bad
        reached = after
    return sum(reached.values())


@pytest.fixture(scope="module")
def estimates():
    rng = np.random.default_rng(0)
    return [multilevel_splitting(run, (0, "start"), 3, 12, rng) for _ in range(2000)]


def test_the_product_is_unbiased(estimates):
    values = np.array([one.estimate for one in estimates])
    error = values.std(ddof=1) / math.sqrt(values.size)
    assert abs(values.mean() - success_probability()) <= 4 * error
    assert error < 0.05 * success_probability()


def test_the_product_of_rates_is_the_estimate_and_levels_stop_where_none_was_reached(estimates):
    for one in estimates:
        assert one.estimate == math.prod(level.reached / 12 for level in one.levels)
        assert len(one.levels) == 3 or one.levels[-1].reached == 0
        assert one.estimate < one.upper_approximate <= 1.0
    assert any(len(one.levels) < 3 for one in estimates)


def test_the_approximate_bound_covers_on_a_chain_with_uneven_states(estimates):
    truth = success_probability()
    assert np.mean([truth <= one.upper_approximate for one in estimates]) >= 0.95


def test_one_level_is_direct_sampling():
    one = multilevel_splitting(run, (0, "start"), 1, 400, np.random.default_rng(1))
    assert one.levels == (LevelCount(400, one.levels[0].reached),)
    assert one.estimate == pytest.approx(0.3, abs=0.1)


def test_a_milestone_that_is_never_reached_bounds_all_that_follows():
    one = multilevel_splitting(lambda *_: None, "s", 4, 100, np.random.default_rng(0))
    assert one.estimate == 0.0
    assert one.levels == (LevelCount(100, 0),)
    assert one.upper_approximate == pytest.approx(1 - (0.05 / 4) ** (1 / 100))


def test_states_are_started_from_equally_often_and_with_seeds_of_their_own():
    seen, seeds = [], []

    def note(state, seed):
        seeds.append(seed)
        if state is None:
            raise AssertionError("an ended attempt was started from")
        if state == "root":
            return len(seeds) if len(seeds) <= 3 else None
        seen.append(state)
        return state

    multilevel_splitting(note, "root", 2, 10, np.random.default_rng(0))
    assert sorted(seen.count(state) for state in (1, 2, 3)) == [3, 3, 4]
    assert len(set(seeds)) == 20


def test_the_same_generator_gives_the_same_estimate():
    first, second = (
        multilevel_splitting(run, (0, "start"), 3, 50, np.random.default_rng(5)) for _ in range(2)
    )
    assert first == second


def test_nothing_to_split_is_an_error():
    with pytest.raises(ValueError, match="levels and effort of at least 1, got 0, 5"):
        multilevel_splitting(run, (0, "start"), 0, 5, np.random.default_rng(0))
