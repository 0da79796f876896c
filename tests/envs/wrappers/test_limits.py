"""Limits: what is spent ends the episode, which is scored as it stands."""

import gymnasium
import pytest

from reachgym.envs import Budget, Message, StopReason, ToolCall, ToolEnv
from reachgym.envs.errors import InputError
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.wrappers import Limits

SHOUT = Message("assistant", tool_calls=(ToolCall("c", "shout", {"text": "é"}),))
ANSWER = Message("assistant", "gold-0")


class Clock:
    """Tells the time that it is set to."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def env(tasks, tools):
    return ToolEnv(ListTaskset(tasks), tools=tools, budget=Budget(turns=5))


def test_turns_and_tool_calls_are_tightened_and_never_loosened(env):
    limited = Limits(env, turns=2, tool_calls=1)
    assert limited.unwrapped.budget == Budget(turns=2, tool_calls=1)
    assert Limits(env, turns=9).unwrapped.budget.turns == 2
    limited.reset(options={"index": 0})
    limited.step(SHOUT)
    *_, truncated, info = limited.step(SHOUT)
    assert (truncated, info["stop_reason"]) == (True, StopReason.TOOL_CALLS)


def test_an_action_that_comes_too_late_is_not_taken(env):
    clock = Clock()
    limited = Limits(env, wall_s=10, clock=clock)
    limited.reset(options={"index": 0})
    clock.now_s = 10.5
    replies, reward, terminated, truncated, info = limited.step(ANSWER)
    assert (replies, reward, terminated, truncated) == ((), 0.0, False, True)
    assert info["stop_reason"] is StopReason.WALL
    assert info["verdict"].passed is False


def test_time_that_a_tool_took_ends_the_episode_after_its_results(tasks, tools):
    clock = Clock()

    env = ToolEnv(ListTaskset(tasks), tools=tools)
    run = env.run_call

    def run_slowly(call):
        clock.now_s += 11
        return run(call)

    env.run_call = run_slowly
    limited = Limits(env, wall_s=10, clock=clock)
    limited.reset(options={"index": 0})
    replies, *_, truncated, info = limited.step(SHOUT)
    assert replies[0].content == "É"
    assert (truncated, info["stop_reason"]) == (True, StopReason.WALL)
    assert len(info["results"]) == 1


def test_an_answer_in_time_counts_and_a_reset_gives_all_the_time_again(env):
    clock = Clock()
    limited = Limits(env, wall_s=10, clock=clock)
    for start_s in (0.0, 100.0):
        clock.now_s = start_s
        limited.reset(options={"index": 0})
        clock.now_s += 9
        _, reward, terminated, *_ = limited.step(ANSWER)
        assert (reward, terminated) == (1.0, True)


@pytest.mark.parametrize(
    "limits", [{"turns": 0}, {"tool_calls": -1}, {"wall_s": 0}, {"wall_s": float("nan")}]
)
def test_limits_that_leave_no_room_are_refused(env, limits):
    with pytest.raises(InputError, match="must be"):
        Limits(env, **limits)


def test_it_wraps_nothing_else():
    with pytest.raises(InputError, match="got CartPoleEnv"):
        Limits(gymnasium.make("CartPole-v1"), turns=1)
