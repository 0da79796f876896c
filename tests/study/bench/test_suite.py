"""Equal tasks and seeds for every agent, told apart by a fingerprint."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.registration import register
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.types import Task
from reachgym.study.bench.suite import suites_of
from reachgym.study.config.bench import BenchConfig

TWICE = "bench_tests/Twice-v0"


class Repeating(ListTaskset):
    """Every task comes twice."""

    def task(self, split, index):
        return super().task(split, index // 2)

    def size(self, split):
        return 2 * super().size(split)


POSED = [Task(str(number), f"{number}?", gold="x", split="held_out") for number in range(3)]
register(TWICE, tasks=Repeating(POSED))


def asked(suite, agent):
    return [(attempt.task.hash, attempt.seed, attempt.budget) for attempt in suite.of(agent)]


def test_every_agent_is_asked_the_same(config):
    for suite in suites_of(config):
        assert asked(suite, "oracle") == asked(suite, "random")
        assert len(set(asked(suite, "oracle"))) == 8
        assert {attempt.policy for attempt in suite.of("oracle")} == {"oracle"}


def test_no_two_suites_share_an_attempt(content):
    content["budgets"] = {"one": {"turns": 1}, "five": {"turns": 5}}
    suites = suites_of(BenchConfig.model_validate(content))
    assert [suite.name for suite in suites] == [
        "lookup, one",
        "lookup, five",
        "compose, one",
        "compose, five",
    ]
    seeds = [attempt.seed for suite in suites for attempt in suite.of("oracle")]
    assert len(set(seeds)) == len(seeds)


def test_a_place_is_found_by_task_and_seed(config):
    suite = suites_of(config)[0]
    attempts = list(suite.of("oracle"))
    # The first attempt at every task comes before the second at any.
    places = [suite.places[attempt.task.hash, attempt.seed] for attempt in attempts]
    assert places == [(task, number) for number in range(2) for task in range(4)]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"split": "validation"},
        {"tasks": 5},
        {"attempts": 3},
        {"budgets": {"tight": {"turns": 1}}},
        {"environments": {"lookup": {"env": "reachgym/Lookup-v0"}}},
    ],
)
def test_the_fingerprint_tells_every_change(content, change):
    before = suites_of(BenchConfig.model_validate(content))[0].fingerprint()
    assert suites_of(BenchConfig.model_validate(content | change))[0].fingerprint() != before


def test_more_tasks_and_attempts_have_the_old_ones_in_them(content):
    before = suites_of(BenchConfig.model_validate(content))[0]
    after = suites_of(BenchConfig.model_validate(content | {"tasks": 9, "attempts": 5}))[0]
    assert after.fingerprint(4, 2) == before.fingerprint()
    assert set(asked(before, "x")) < set(asked(after, "x"))


def test_a_limit_asks_some_of_the_same_once(config):
    limited, whole = suites_of(config, limit=2)[0], suites_of(config)[0]
    assert set(asked(limited, "x")) < set(asked(whole, "x"))
    assert len(asked(limited, "x")) == 2


def test_an_environment_may_have_budgets_of_its_own(content):
    content["budgets"] = {"wide": {"turns": 9}}
    content["environments"]["compose"]["budgets"] = {"short": {"turns": 2}, "long": {"turns": 6}}
    suites = suites_of(BenchConfig.model_validate(content))
    assert [(suite.name, suite.budget.turns) for suite in suites] == [
        ("lookup", 9),
        ("compose, short", 2),
        ("compose, long", 6),
    ]


def test_a_task_that_comes_twice_is_asked_once(content):
    content["environments"] = {"twice": {"env": TWICE}}
    (suite,) = suites_of(BenchConfig.model_validate(content))
    assert len(suite.tasks) == 2
    assert len(set(asked(suite, "x"))) == len(asked(suite, "x")) == len(suite.places) == 4


def test_a_split_without_tasks_is_told(content):
    content["environments"] = {"twice": {"env": TWICE, "split": "validation"}}
    with pytest.raises(ConfigError, match="no validation tasks; choose another split"):
        suites_of(BenchConfig.model_validate(content))


def test_an_environment_that_is_none_is_told(content):
    content["environments"] = {"nowhere": {"env": "reachgym/Lokup-v0"}}
    with pytest.raises(InputError, match="Lookup-v0"):
        suites_of(BenchConfig.model_validate(content))
