"""Judging the gold of data sets."""

from __future__ import annotations

import pytest

from reachgym.envs import ToolEnv
from reachgym.envs.datasets.gold import validate_gold
from reachgym.envs.datasets.mathematics import make_math
from reachgym.envs.datasets.programs import make_mbpp
from reachgym.envs.errors import ConfigError
from reachgym.envs.taskset import ENDLESS
from reachgym.envs.types import Task

GOOD = {
    "task_id": 1,
    "text": "Write a function to add.",
    "code": "def add(a, b):\n  return a + b",
    "test_list": ["assert add(1, 2) == 3"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
BAD = {
    **GOOD,
    "task_id": 2,
    "text": "Write a function to add up.",
    "code": "def add(a, b): return a",
}


class Endless:
    """Additions without end."""

    name = "endless"

    def task(self, split, index):
        return Task(f"{split}/{index}", f"How much is {index} and 1?", str(index + 1), split=split)

    def size(self, split):
        return None


def test_a_row_whose_gold_fails_its_own_tests_is_named(write):
    report = validate_gold(make_mbpp(train=write("mbpp.jsonl", [GOOD, BAD])))
    assert (report.checked, report.without_gold) == (2, 0)
    (failure,) = report.failures
    assert failure.place.endswith("mbpp.jsonl, row 2")
    assert "0 of 1 test cases passed" in failure.explanation


def test_tests_that_do_not_work_are_named(write):
    row = {**GOOD, "test_list": ["assert add(lambda: 1, 2) == 3"]}
    (failure,) = validate_gold(make_mbpp(train=write("mbpp.jsonl", [row]))).failures
    assert "test case 0" in failure.explanation


def test_a_sample_is_spread_over_every_split(write):
    rows = [{"problem": f"{n}+1?", "solution": f"$\\boxed{{{n + 1}}}$"} for n in range(100)]
    env = make_math(train=write("a.jsonl", rows[:60]), held_out=write("b.jsonl", rows[60:]))
    assert validate_gold(env, 10).checked == 20
    assert validate_gold(env, None).checked == 100
    assert validate_gold(env, 10).failures == ()


def test_of_endless_splits_only_samples_are_judged():
    env = ToolEnv(Endless())
    assert env.taskset.task("train", ENDLESS - 1)
    assert validate_gold(env, 5).checked == 15
    with pytest.raises(ConfigError, match="give sample="):
        validate_gold(env, None)


def test_a_verifier_that_fails_gold_is_found():
    def never(attempt):
        from reachgym.envs import Verdict

        return Verdict(0.0, False, "Never.")

    report = validate_gold(ToolEnv(Endless(), verifier=never), 2)
    assert [failure.explanation for failure in report.failures] == ["Never."] * 6
    assert report.failures[0].place == "train/0"
