"""Success by splitting, on real episodes of an agent whose success probability is enumerated."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import pytest

from reachgym.agents.scripted import ScriptedAgent
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import lookup
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.types import Budget, Message
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.study.splitting import success_by_splitting
from reachgym.support.splitting import LevelCount

REF = EnvRef("reachgym/Lookup-v0", {"difficulty": 3, "text": "terse"})
ENV = make(REF)
TASK = ENV.taskset.task("held_out", 0)
HOPS = 3
TURNS = 7
# The chance to search for the right thing, after a search that was right and after any other; and
# the chance to give up.
HOT, COLD, GIVES_UP = 0.5, 0.15, 0.05


def act(messages, seed):
    found = [m for m in messages if m.role == "tool" and m.content in TASK.metadata["path"]]
    drawn = random.Random(seed).random()
    if len(found) == HOPS:
        return lookup.oracle([messages[0], *found])
    if drawn >= 1 - GIVES_UP:
        return Message("assistant", "-")
    hot = messages[-1] in found
    if drawn < (HOT if hot else COLD):
        return lookup.oracle([messages[0], *found])
    return call_tool(messages, "search", {"query": "zz"})


AGENT = ScriptedAgent(act)


@lru_cache
def success_probability(found=0, hot=False, turns=TURNS):
    if turns == 0:
        return 0.0
    if found == HOPS:
        return 1.0
    right = HOT if hot else COLD
    wrong = 1 - right - GIVES_UP
    return right * success_probability(found + 1, True, turns - 1) + (
        wrong * success_probability(found, False, turns - 1)
    )


def split(agent=AGENT, milestones=HOPS, effort=12, seed=0):
    budget = Budget(turns=TURNS)
    rng = np.random.default_rng(seed)
    return success_by_splitting(agent, REF, TASK, budget, effort, rng, milestones=milestones)


def test_all_of_a_tasks_milestones_are_levels_unless_told_otherwise():
    assert split(milestones=None, seed=3) == split(milestones=HOPS, seed=3)


@pytest.mark.parametrize("milestones", [1, HOPS, HOPS + 2])
def test_the_estimate_is_unbiased_however_many_milestones_are_levels(milestones):
    estimates = np.array([split(milestones=milestones, seed=i).estimate for i in range(100)])
    error = estimates.std(ddof=1) / len(estimates) ** 0.5
    assert abs(estimates.mean() - success_probability()) < 4 * error
    assert error < 0.25 * success_probability()


def test_direct_draws_agree_with_the_enumeration():
    n = 1500
    attempts = (Attempt(TASK, REF, seed, "scripted", Budget(turns=TURNS)) for seed in range(n))
    passed = sum(bool(run_episode(AGENT, ENV, one).verdict.passed) for one in attempts)
    truth = success_probability()
    assert abs(passed - n * truth) < 4 * (n * truth * (1 - truth)) ** 0.5


def test_every_hop_is_a_level_and_success_the_last():
    found = split(effort=200)
    assert len(found.levels) == HOPS + 1
    assert {level.started for level in found.levels} == {200}
    # Who has the last name and a turn left answers with it.
    assert found.levels[-1] == LevelCount(200, 200)
    assert found.estimate == pytest.approx(success_probability(), rel=0.5)
    assert success_probability() < found.upper_approximate < 1


def test_without_milestones_splitting_is_direct_drawing():
    found = split(milestones=0, effort=300)
    assert len(found.levels) == 1
    assert found.levels[0].started == 300


def test_an_agent_that_never_finds_the_first_name_is_bounded():
    found = split(ScriptedAgent(lambda m, _: call_tool(m, "search", {"query": "zz"})), effort=50)
    assert (found.estimate, found.levels) == (0.0, (LevelCount(50, 0),))
    assert 0 < found.upper_approximate < 0.1


def test_the_same_generator_gives_the_same_estimate():
    assert split(seed=3) == split(seed=3)
    assert len({split(seed=seed).levels for seed in range(4)}) > 1


def test_no_effort_is_refused():
    with pytest.raises(ValueError, match="effort of at least 1, got 4, 0"):
        split(effort=0)
