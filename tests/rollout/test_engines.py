"""Engines under the scheduler: turns join and leave at every step, tools run beside them."""

from __future__ import annotations

import pytest
from echo_world import REF, SeededAgent, attempts
from engines import BreakingAgent, RemoteAgent, SteppingAgent, slots_taken

from reachgym.envs.registration import make
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import run_episode
from reachgym.rollout.scheduler import Scheduler, run_attempts


def told(played) -> dict[int, tuple]:
    """What an attempt consists of, by its seed, without its times."""
    return {
        row.key.seed: (
            row.verdict,
            row.stop_reason,
            [turn.completion.message for turn in row.turns],
        )
        for row in played
    }


@pytest.mark.parametrize("agent_type", [SteppingAgent, RemoteAgent])
@pytest.mark.parametrize("slots", [1, 5, 64])
def test_trajectories_are_those_of_the_plain_loop(agent_type, slots):
    wanted = [run_episode(SeededAgent(), make(REF), attempt) for attempt in attempts(60)]
    assert told(run_attempts(agent_type(), attempts(60), slots=slots)) == told(wanted)


def test_turns_of_different_lengths_do_not_wait_for_one_another():
    agent = SteppingAgent(step_s=0.002, most=16)
    assert len(list(run_attempts(agent, attempts(300), slots=32))) == 300
    # Waiting for the longest of 7 steps would leave less than 0.6 of the rows at work.
    assert slots_taken(agent.rows, 16) > 0.9


def test_a_slow_tool_holds_up_no_other_episode():
    agent = SteppingAgent("slow")
    assert len(list(run_attempts(agent, attempts(32), slots=8))) == 32
    assert sum(rows > 0 for rows in agent.rows) == len(agent.rows)
    assert min(agent.rows) < 8


def test_every_conversation_is_forgotten_when_its_episode_ends():
    agent = SteppingAgent()
    list(run_attempts(agent, attempts(20), slots=4))
    assert sorted(agent.forgotten) == list(range(1, 21))


def test_an_engine_that_breaks_fails_what_it_was_at_and_is_replaced():
    agent = BreakingAgent()
    played = list(run_attempts(agent, attempts(40), slots=8))
    failed = [row for row in played if row.failure is not None]
    assert {row.failure.message for row in failed} == {"out of memory"}
    assert 1 <= len(failed) <= 8
    assert agent.engines == 2
    good = told(run_attempts(SteppingAgent(), attempts(40), slots=8))
    assert told(row for row in played if row.failure is None).items() <= good.items()


def test_a_cleared_scheduler_forgets_what_its_engine_is_at():
    agent = SteppingAgent()
    with EnvPool(capacity=4) as pool:
        scheduler = Scheduler(agent, slots=4, pool=pool)
        scheduler.add(attempts(9))
        for _ in range(2):
            scheduler.round()
        scheduler.clear()
        assert scheduler.unfinished == 0
        scheduler.add(attempts(3))
        played = []
        while scheduler.unfinished:
            played += scheduler.round()
        scheduler.close()
    assert sorted(row.key.seed for row in played) == [0, 1, 2]


def test_in_lock_step_an_agent_with_an_engine_acts_in_batches():
    agent = SteppingAgent()
    with EnvPool(capacity=8) as pool:
        scheduler = Scheduler(agent, slots=8, pool=pool, lock_step=True)
        scheduler.add(attempts(8))
        while scheduler.unfinished:
            scheduler.round()
        scheduler.close()
    assert agent.engines == 0
    assert agent.batches[0] == 8
