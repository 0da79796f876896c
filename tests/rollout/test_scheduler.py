"""Many episodes on one agent: the same trajectories as one by one, in fuller batches."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from echo_world import REF, ScriptedAgent, SeededAgent, answer, attempts, call

from reachgym.agents.protocol import Completion
from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.types import Budget
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import run_episode
from reachgym.rollout.scheduler import Scheduler, run_attempts
from reachgym.rollout.trajectory import Timings, Trajectory


def timeless(played) -> list[Trajectory]:
    """Trajectories in order of their seeds, without what no two runs share."""
    rows = [
        replace(
            row,
            timings=Timings(),
            turns=tuple(
                replace(turn, results=tuple(replace(r, seconds=0.0) for r in turn.results))
                for turn in row.turns
            ),
        )
        for row in played
    ]
    return sorted(rows, key=lambda row: row.key.seed)


@pytest.mark.parametrize("slots", [1, 3, 16, 500])
def test_trajectories_do_not_depend_on_slots(slots):
    wanted = [run_episode(SeededAgent(), make(REF), attempt) for attempt in attempts(60)]
    played = timeless(run_attempts(SeededAgent(), attempts(60), slots=slots))
    assert played == timeless(wanted)
    assert {len(row.turns) for row in played} > {1, 3}


def test_slots_are_refilled_at_once_so_that_batches_stay_full():
    agent = SeededAgent()
    assert len(list(run_attempts(agent, attempts(200), slots=20))) == 200
    assert max(agent.batches) == 20
    assert sum(size == 20 for size in agent.batches) > 0.6 * len(agent.batches)


def test_attempts_are_drawn_from_their_stream_only_as_slots_become_free():
    stream = (attempts(1)[0] for _ in itertools.count())
    played = run_attempts(SeededAgent(), stream, slots=4)
    assert len(list(itertools.islice(played, 10))) == 10
    played.close()


def test_slow_tools_of_many_episodes_overlap():
    started = time.monotonic()
    script = [call("slow"), call("slow"), answer("0")]
    played = list(run_attempts(ScriptedAgent(*script), attempts(40), slots=40))
    assert len(played) == 40
    # One after the other they would take 4 s.
    assert time.monotonic() - started < 1.0


def test_one_conversation_that_the_agent_cannot_take_is_one_failure():
    class Picky(SeededAgent):
        def act(self, conversations, tools, limits, seeds) -> list[Completion]:
            if any("is 3 +" in conversation.opening[-1].content for conversation in conversations):
                raise ValueError("I do not like 3")
            return super().act(conversations, tools, limits, seeds)

    played = timeless(run_attempts(Picky(), attempts(16), slots=16))
    assert [row.key.seed for row in played if row.failure is not None] == [3, 11]
    assert played[3].failure.message == "I do not like 3"
    good = timeless(run_attempts(SeededAgent(), attempts(16), slots=16))
    assert [row for row in played if row.failure is None] == [
        row for row in good if row.key.seed not in (3, 11)
    ]


def test_an_environment_that_breaks_is_one_failure_and_is_not_used_again():
    class Breaker(SeededAgent):
        def act(self, conversations, tools, limits, seeds) -> list[Completion]:
            taken = super().act(conversations, tools, limits, seeds)
            broken = [c.opening[-1].content.startswith("What is 5 ") for c in conversations]
            return [call("broken") if b else t for b, t in zip(broken, taken, strict=True)]

    played = timeless(run_attempts(Breaker(), attempts(24), slots=4))
    assert [row.key.seed for row in played if row.failure is not None] == [5, 13, 21]
    assert all(row.verdict.reward is None for row in played if row.failure is not None)


def test_an_unknown_environment_is_the_users_error_not_a_failure_each():
    with pytest.raises(InputError, match="there is no environment"):
        list(run_attempts(SeededAgent(), attempts(2, ref=EnvRef("test/Ecko-v0")), slots=2))


def test_a_tool_that_ends_the_process_is_not_swallowed():
    class Leaving(SeededAgent):
        def act(self, conversations, tools, limits, seeds) -> list[Completion]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_attempts(Leaving(), attempts(4), slots=2))


def test_the_budget_holds_for_each_episode():
    script = [call("echo", tokens=2)] * 9
    played = run_attempts(ScriptedAgent(*script), attempts(8, budget=Budget(turns=3)), slots=8)
    assert [(row.stop_reason, len(row.turns)) for row in played] == [("turns", 3)] * 8


def test_a_cleared_scheduler_plays_what_comes_next():
    with EnvPool(capacity=4) as pool:
        scheduler = Scheduler(SeededAgent(), slots=4, pool=pool)
        scheduler.add(attempts(9))
        scheduler.round()
        scheduler.clear()
        assert scheduler.unfinished == 0
        scheduler.add(attempts(3))
        played = []
        while scheduler.unfinished:
            played += scheduler.round()
        scheduler.close()
    assert sorted(row.key.seed for row in played) == [0, 1, 2]


def test_environments_are_reused_and_at_most_so_many_are_kept():
    with EnvPool(capacity=2) as pool:
        first, second, third = (pool.take(REF) for _ in range(3))
        for env in (first, second, third):
            pool.give(REF, env)
        kept = {id(pool.take(REF)), id(pool.take(REF))}
        assert kept < {id(first), id(second), id(third)}
        assert id(pool.take(REF)) not in {id(first), id(second), id(third)}


def test_in_lock_step_a_batch_waits_for_the_slowest_environment():
    class Mixed(SeededAgent):
        def act(self, conversations, tools, limits, seeds) -> list[Completion]:
            taken = super().act(conversations, tools, limits, seeds)
            first = [not conversation.exchanges for conversation in conversations]
            tardy = [c.opening[-1].content.startswith("What is 5 ") for c in conversations]
            return [
                call("slow") if f and t else call("echo") if f else answer("0")
                for f, t, _ in zip(first, tardy, taken, strict=True)
            ]

    agent = Mixed()
    with EnvPool(capacity=8) as pool:
        scheduler = Scheduler(agent, slots=8, pool=pool, lock_step=True)
        scheduler.add(attempts(8))
        played = []
        while scheduler.unfinished:
            played += scheduler.round()
        scheduler.close()
    assert len(played) == 8
    assert agent.batches == [8, 8]
