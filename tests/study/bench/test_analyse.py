"""From stored attempts to results: counted by hand where the numbers are small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reachgym.agents.protocol import Completion, TokenCounts
from reachgym.envs.types import Message, StopReason, Verdict
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Failure, Trajectory, Turn, Usage
from reachgym.study.bench.analyse import analyse
from reachgym.study.bench.suite import suites_of
from reachgym.study.config.bench import BenchConfig

ANSWER = Completion(Message("assistant", "x"))


@pytest.fixture
def stored(tmp_path):
    """A store in which an agent's outcomes are as given: tasks by attempts, None for a failure."""
    store = TrajectoryStore(tmp_path / "store")

    def put(suite, agent, outcomes, **changes):
        attempts = {(suite.places[a.task.hash, a.seed]): a for a in suite.of(agent)}
        for task, row in enumerate(outcomes):
            for number, passed in enumerate(row):
                attempt = attempts[task, number]
                made = Trajectory(
                    key=attempt.key,
                    task_id=attempt.task.id,
                    family=attempt.task.family,
                    split=attempt.task.split,
                    env=attempt.env.text,
                    policy_version=0,
                    opening=(),
                    turns=(Turn(ANSWER),),
                    verdict=Verdict(None if passed is None else float(passed), passed, ""),
                    stop_reason=StopReason.ANSWERED,
                    failure=Failure("SandboxError", "gone") if passed is None else None,
                )
                store.append([replace(made, **changes)])
        return store

    return put


@pytest.fixture
def small():
    return BenchConfig.model_validate(
        {
            "tasks": 3,
            "attempts": 2,
            "agents": {"a": {"kind": "oracle"}, "b": {"kind": "random"}},
            "environments": {"lookup": {"env": "reachgym/Lookup-v0"}},
        }
    )


def cell_of(results, agent):
    return next(cell for cell in results.cells if cell.agent == agent)


def test_success_is_a_mean_over_tasks(stored, small):
    suite = suites_of(small)[0]
    stored(suite, "a", [[True, True], [True, False], [None, False]])
    store = stored(suite, "b", [[False, False], [False, False], [False, False]])
    results = analyse(small, [suite], store, None)
    a, b = cell_of(results, "a"), cell_of(results, "b")
    assert a.success.estimate == pytest.approx((1 + 0.5 + 0) / 3)
    assert a.success.n == 3
    assert (a.scored, a.unscored, a.missing) == (5, {"SandboxError": 1}, 0)
    assert b.success.estimate == 0
    assert b.success.high > 0
    # Of the third task only one attempt is scored, so that it says nothing of two.
    some, every = ((point.some, point.every) for point in a.at_k if point.k == 2).__next__()
    assert (some.estimate, some.n) == (1.0, 2)
    assert (every.estimate, every.n) == (0.5, 2)
    assert {found.agent: found.success for found in results.overall} == {
        "a": pytest.approx(0.5),
        "b": 0.0,
    }


def test_pairs_are_of_the_same_task_and_seed(stored, small):
    suite = suites_of(small)[0]
    stored(suite, "a", [[True, True], [True, False], [None, True]])
    store = stored(suite, "b", [[False, True], [False, True], [True, None]])
    (found,) = analyse(small, [suite], store, None).comparisons
    assert (found.a, found.b, found.suite) == ("a", "b", "lookup")
    # Solved by a alone: the first attempts at the first two tasks; by b alone: the second's second.
    assert (found.only_a, found.only_b, found.dropped_pairs) == (2, 1, 2)
    assert found.difference.estimate == pytest.approx((0.5 + 0.0) / 2)
    assert found.decision == "not told apart"


def test_what_was_not_made_is_missing_and_compares_nothing(stored, small):
    suite = suites_of(small)[0]
    store = stored(suite, "a", [[True], [True], [True]])
    results = analyse(small, [suite], store, None)
    assert (cell_of(results, "a").missing, cell_of(results, "b").missing) == (3, 6)
    assert cell_of(results, "b").success is None
    assert results.comparisons == []
    assert {found.agent: found.success for found in results.overall} == {"a": 1.0, "b": None}


def test_attempts_of_another_bench_in_the_store_do_not_count(stored, small):
    suite = suites_of(small)[0]
    other = suites_of(small.model_copy(update={"seed": 9}))[0]
    stored(other, "a", [[True, True]] * 3)
    store = stored(suite, "a", [[False, False]] * 3)
    found = cell_of(analyse(small, [suite], store, None), "a")
    assert (found.success.estimate, found.scored) == (0.0, 6)


def test_what_attempts_took_is_a_mean_of_the_scored(stored, small):
    suite = suites_of(small)[0]
    stored(suite, "a", [[True]], usage=Usage(turns=2, action_tokens=10, tool_calls=1))
    stored(suite, "a", [[], [None]], usage=Usage(turns=90, action_tokens=90))
    store = stored(
        suite,
        "a",
        [[], [], [False]],
        usage=Usage(turns=4, action_tokens=30, tool_errors=2, parse_errors=1),
        stop_reason=StopReason.TURNS,
    )
    usage = cell_of(analyse(small, [suite], store, None), "a").usage
    assert (usage.turns, usage.action_tokens, usage.tool_calls) == (3, 20, 0.5)
    assert (usage.tool_errors, usage.parse_errors) == (1, 0.5)
    assert usage.truncated == {"turns": 0.5}
    assert usage.cost is None


def test_every_request_is_paid_for_its_whole_history(stored, small):
    suite = suites_of(small)[0]
    content = small.model_dump()
    content["agents"]["a"]["price"] = {"input": 1.0, "output": 10.0}
    by_ids = (
        Turn(replace(ANSWER, prompt_ids=(1,) * 100, sampled_ids=(2,) * 10, logprobs=(0.0,) * 10)),
        Turn(replace(ANSWER, prompt_ids=(1,) * 5, sampled_ids=(2,) * 10, logprobs=(0.0,) * 10)),
    )
    by_counts = (
        Turn(replace(ANSWER, counts=TokenCounts(100, 10))),
        Turn(replace(ANSWER, counts=TokenCounts(115, 10))),
    )
    stored(suite, "a", [[True]], turns=by_ids)
    store = stored(suite, "a", [[], [True]], turns=by_counts)
    usage = cell_of(analyse(BenchConfig.model_validate(content), [suite], store, None), "a").usage
    assert usage.cost == pytest.approx((215 * 1.0 + 20 * 10.0) / 1e6)


def test_scripted_agents_come_out_as_they_must(config, played):
    results = analyse(config, suites_of(config), played(config), None)
    assert all(cell.success.estimate == 1 for cell in results.cells if cell.agent == "oracle")
    assert [found.suite for found in results.comparisons] == ["lookup", "compose"]
    assert all(cell.missing == 0 and not cell.unscored for cell in results.cells)
