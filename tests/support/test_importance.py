"""Importance sampling by hand: terms, rounds, bounds, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reachgym.support.anytime import betting_lower
from reachgym.support.importance import (
    Successes,
    importance_estimate,
    median_surprisal,
    round_sizes,
)


def scored(logprobs, policy, place, route=None):
    return Successes(
        logprobs_S_M=np.array(logprobs, dtype=float).reshape(len(policy), -1),
        policy_S=np.array(policy, dtype=np.int64),
        place_S=np.array(place, dtype=np.int64),
        route_S=np.arange(len(policy)) if route is None else np.array(route),
    )


def nothing(policies=2):
    return Successes(
        np.zeros((0, policies)), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    )


def test_each_success_adds_its_base_probability_over_the_mixtures():
    p = np.array([[0.1, 0.5], [0.2, 0.01]])
    found = importance_estimate(scored(np.log(p), [1, 0], [0, 3]), (4, 6))
    assert found.estimate == pytest.approx(0.1 / (0.4 + 3.0) + 0.2 / (0.8 + 0.06))
    assert (found.base_draws, found.draws, found.successes) == (4, 10, 2)


def test_the_base_may_be_any_column():
    p = np.array([[0.5, 0.1]])
    found = importance_estimate(scored(np.log(p), [0], [0]), (6, 4), base=1)
    assert found.estimate == pytest.approx(0.1 / 3.4)


def test_draws_of_the_base_alone_give_the_share_of_successes():
    found = importance_estimate(scored([[-3.0], [-900.0]], [0, 0], [1, 7]), (50,))
    assert found.estimate == pytest.approx(2 / 50)


def test_log_probabilities_far_below_underflow_keep_their_ratios():
    far = scored([[-5000.0 + math.log(0.1), -5000.0 + math.log(0.5)]], [1], [0])
    near = scored(np.log([[0.1, 0.5]]), [1], [0])
    assert importance_estimate(far, (4, 6)).estimate == pytest.approx(
        importance_estimate(near, (4, 6)).estimate
    )


def test_what_the_base_cannot_draw_adds_nothing():
    found = importance_estimate(scored([[-np.inf, -1.0]], [1], [0]), (10, 10))
    assert (found.estimate, found.low, found.bits) == (0.0, 0.0, math.inf)
    assert found.diagnostics.ess == 0.0
    assert found.diagnostics.largest_share == 1.0


def test_no_success_is_an_estimate_of_zero_that_no_diagnostic_trusts():
    found = importance_estimate(nothing(), (10, 20))
    assert (found.estimate, found.low, found.successes) == (0.0, 0.0, 0)
    assert found.bits == found.most_bits == math.inf
    assert not found.diagnostics.ok


def test_without_base_draws_the_estimate_is_marked():
    found = importance_estimate(scored(np.log([[0.1, 0.5]] * 100), [1] * 100, range(100)), (0, 200))
    assert found.base_draws == 0
    assert found.diagnostics.failed == ("base_draws",)
    assert found.low_by == "markov"
    assert found.low == pytest.approx(0.05 * found.estimate)


def test_rounds_take_a_fixed_number_of_draws_of_every_policy():
    p = np.array([[0.1, 0.5], [0.2, 0.4], [0.3, 0.3], [0.2, 0.2]])
    successes = scored(np.log(p), [1, 1, 0, 1], [0, 3, 1, 6])
    found = importance_estimate(successes, (3, 7))
    weight = p[:, 0] / (1 * p[:, 0] + 2 * p[:, 1])
    # The seventh draw of the second policy belongs to no complete round.
    by_hand = [weight[0], weight[1] + weight[2], 0.0]
    assert found.rounds == 3
    assert found.low == pytest.approx(min(betting_lower(by_hand), 0.05 * found.estimate))


def test_rounds_fixed_beforehand_are_kept():
    p = np.array([[0.1, 0.5], [0.2, 0.4]])
    found = importance_estimate(scored(np.log(p), [1, 0], [5, 2]), (8, 8), per_round=(1, 3))
    assert found.rounds == 2
    assert importance_estimate(scored(np.log(p), [1, 0], [5, 2]), (8, 8)).rounds == 8


def test_rounds_are_many_and_leave_few_draws_out():
    assert round_sizes((1000, 2000, 2000)).tolist() == [1, 2, 2]
    assert round_sizes((1000, 0, 64)).tolist() == [16, 0, 1]
    assert round_sizes((7,)).tolist() == [1]
    for draws in ((64, 999), (37, 100, 255), (1, 500)):
        size = round_sizes(draws)
        rounds = min(n // k for n, k in zip(draws, size, strict=True))
        assert rounds >= 0.75 * min(draws)
        assert all(rounds * k > 0.5 * n for n, k in zip(draws, size, strict=True))


def test_trusted_draws_are_bounded_by_betting_and_others_by_the_smaller_bound():
    even = scored([[-20.0, -1.0]] * 60, [1] * 60, range(60))
    found = importance_estimate(even, (100, 100))
    assert found.diagnostics.ok
    assert found.low_by == "betting"
    assert 0.5 * found.estimate < found.low < found.estimate

    skewed = scored([[-20.0, -1.0]] * 60 + [[-12.0, -1.0]], [1] * 61, range(61))
    found = importance_estimate(skewed, (100, 100))
    assert "largest_share" in found.diagnostics.failed
    assert found.low <= 0.05 * found.estimate


def test_the_bound_in_bits_lies_above_the_estimate_in_bits():
    found = importance_estimate(scored([[-20.0, -1.0]] * 60, [1] * 60, range(60)), (100, 100))
    assert found.bits == pytest.approx(-math.log2(found.estimate))
    assert found.most_bits == pytest.approx(-math.log2(found.low))
    assert found.most_bits > found.bits


def test_medians_over_tasks_survive_tasks_without_success():
    seen = importance_estimate(scored([[-20.0, -1.0]] * 60, [1] * 60, range(60)), (100, 100))
    blank = importance_estimate(nothing(), (100, 100))
    summary = median_surprisal([seen, blank, seen])
    assert (summary.tasks, summary.unseen, summary.believed) == (3, 1, 2)
    assert (summary.bits, summary.most_bits) == (seen.bits, seen.most_bits)
    assert median_surprisal([blank, blank]).bits == math.inf
    with pytest.raises(ValueError, match="at least one task"):
        median_surprisal([])


def test_wrong_successes_are_errors():
    with pytest.raises(ValueError, match="shape"):
        scored([[-1.0, -1.0]], [0], [0, 1])
    with pytest.raises(ValueError, match="never NaN"):
        scored([[-1.0, math.nan]], [0], [0])
    with pytest.raises(ValueError, match="at most 0"):
        scored([[-1.0, 0.1]], [0], [0])
    with pytest.raises(ValueError, match="by its column"):
        scored([[-1.0, -1.0]], [2], [0])
    with pytest.raises(ValueError, match="probability 0 under the policy that drew it"):
        scored([[-1.0, -np.inf]], [1], [0])


def test_wrong_draws_are_errors():
    one = scored([[-1.0, -1.0]], [1], [4])
    with pytest.raises(ValueError, match="2 policies"):
        importance_estimate(one, (10,))
    with pytest.raises(ValueError, match="base 2"):
        importance_estimate(one, (10, 10), base=2)
    with pytest.raises(ValueError, match="below the number"):
        importance_estimate(one, (10, 4))
    with pytest.raises(ValueError, match="same place"):
        importance_estimate(scored([[-1.0, -1.0]] * 2, [1, 1], [4, 4]), (10, 10))
    with pytest.raises(ValueError, match="at least one policy"):
        importance_estimate(nothing(), (0, 0))
    with pytest.raises(ValueError, match="round"):
        importance_estimate(one, (10, 10), per_round=(11, 1))
    with pytest.raises(ValueError, match="alpha"):
        importance_estimate(one, (10, 10), alpha=0.0)
