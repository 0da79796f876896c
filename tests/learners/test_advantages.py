"""Advantages against values worked out by hand."""

import numpy as np
import pytest

from reachgym.learners.advantages import group_normalised, informative, leave_one_out

REWARDS = np.array([1.0, 5.0, 0.0, 5.0, 0.0, 5.0])
GROUPS = ["a", "b", "a", "b", "a", "b"]


def test_group_normalised_is_the_distance_from_the_groups_mean_in_its_deviations():
    deviation = np.sqrt(2) / 3
    expected = [2 / 3 / deviation, 0, -1 / 3 / deviation, 0, -1 / 3 / deviation, 0]
    assert group_normalised(REWARDS, GROUPS) == pytest.approx(expected, rel=1e-5)


def test_leave_one_out_is_the_distance_from_the_mean_of_the_others():
    assert leave_one_out(REWARDS, GROUPS) == pytest.approx([1, 0, -0.5, 0, -0.5, 0])


@pytest.mark.parametrize("advantage", [group_normalised, leave_one_out])
def test_a_group_of_one_has_nothing_to_compare_with(advantage):
    assert advantage(np.array([1.0]), ["a"]) == pytest.approx([0])


@pytest.mark.parametrize("advantage", [group_normalised, leave_one_out])
def test_no_attempts_have_no_advantages(advantage):
    assert advantage(np.array([]), []).shape == (0,)


def test_only_groups_whose_rewards_differ_are_informative():
    assert informative(REWARDS, GROUPS).tolist() == [True, False] * 3


def test_group_normalised_leaves_equal_rewards_at_zero_whatever_they_are():
    # 0.1 has no exact mean in floating point; a deviation of 1e-17 must not be blown up.
    assert np.abs(group_normalised(np.full(3, 0.1), ["a"] * 3)).max() < 1e-9
