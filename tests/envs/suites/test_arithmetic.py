"""Arithmetic: every pair in one split, and an exact chance."""

from collections import Counter

import pytest

from reachgym.envs.suites.arithmetic import guess, make_arithmetic
from reachgym.envs.types import SPLITS


def all_tasks(digits, world_seed=0):
    taskset = make_arithmetic(digits, world_seed, "terse").taskset
    return {s: [taskset.task(s, i) for i in range(taskset.size(s))] for s in SPLITS}


def factors(task):
    return tuple(int(factor) for factor in task.prompt.removeprefix("A:").split("*"))


@pytest.mark.parametrize("digits", [1, 2])
def test_every_unordered_pair_falls_into_one_split_once(digits):
    pairs = [tuple(sorted(factors(task))) for tasks in all_tasks(digits).values() for task in tasks]
    numbers = 9 * 10 ** (digits - 1)
    assert len(pairs) == len(set(pairs)) == numbers * (numbers + 1) // 2


def test_a_pair_stays_in_its_split_in_every_world():
    one, other = all_tasks(1, world_seed=0), all_tasks(1, world_seed=1)
    for split in SPLITS:
        first, second = ([sorted(factors(t)) for t in world[split]] for world in (one, other))
        assert first != second
        assert sorted(first) == sorted(second)


def test_the_gold_is_the_product():
    for task in all_tasks(2)["held_out"]:
        first, second = factors(task)
        assert int(task.gold) == first * second
        assert {len(str(first)), len(str(second))} == {2}


def test_either_factor_may_come_first():
    smaller_first = [first < second for first, second in map(factors, all_tasks(2)["train"])]
    assert 0.45 < sum(smaller_first) / len(smaller_first) < 0.55


@pytest.mark.parametrize("digits", [1, 2])
def test_the_chance_is_the_share_of_the_most_common_product(digits):
    tasks = [task for tasks in all_tasks(digits).values() for task in tasks]
    (_, most), *_ = Counter(task.gold for task in tasks).most_common(1)
    assert tasks[0].chance == most / len(tasks)


def test_the_chance_of_three_digits_is_known():
    # 25 of the 405,450 pairs give 110880.
    assert make_arithmetic(3).taskset.task("train", 0).chance == pytest.approx(25 / 405_450)


def test_tasks_do_not_change_with_the_version_of_anything():
    taskset = make_arithmetic(3, text="terse").taskset
    assert [taskset.task("train", i).prompt for i in range(2)] == ["A:877*905", "A:497*729"]


def test_a_guess_is_one_of_the_most_common_products(rng):
    assert {guess("A:1*1", rng) for _ in range(300)} == {
        "4", "6", "8", "9", "12", "16", "18", "24", "36"
    }  # fmt: skip
    assert guess("A:100*100", rng) == "110880"
