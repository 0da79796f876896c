"""Attempts from milestone to milestone: budgets hold over levels, moments stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import gymnasium
import pytest

from reachgym.agents.protocol import Completion
from reachgym.agents.scripted import ScriptedAgent
from reachgym.envs.errors import InfrastructureError, InputError
from reachgym.envs.milestones import Milestone
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Budget, Message, Task, ToolCall
from reachgym.envs.workspace import Workspace
from reachgym.rollout.episode import Attempt
from reachgym.rollout.splitting import MilestoneRuns

REF = EnvRef("reachgym/BlackBox-v0", {"difficulty": 3, "interface": {"tools": ["probe"]}})
TASK = make(REF).taskset.task("train", 0)


def solve(messages, seed):
    """Probe three inputs and answer."""
    del seed
    outputs = sum(message.role == "tool" for message in messages)
    return probes(outputs) if outputs < 3 else Message("assistant", TASK.gold)


SOLVER = ScriptedAgent(solve)


def runs(agent=SOLVER, budget=Budget(), milestones=3, ref=REF, task=TASK):
    return MilestoneRuns(agent, Attempt(task, ref, 0, "scripted", budget), milestones)


def probes(*xs):
    calls = tuple(ToolCall(f"c{x}", "probe", {"x": str(x)}) for x in xs)
    return Message("assistant", tool_calls=calls)


class Scribe:
    """An agent that notes what it is asked, and samples five tokens a turn."""

    def __init__(self, script=solve):
        self.script = script
        self.asked = []

    def act(self, conversations, tools, limits, seeds):
        self.asked += zip(conversations, limits, seeds, strict=True)
        return [
            Completion(
                self.script(conversation.messages, seed),
                prompt_ids=(1,) * (10 if not conversation.exchanges else 2),
                sampled_ids=(2,) * 5,
                logprobs=(-1.0,) * 5,
            )
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]


def test_each_run_ends_at_the_next_milestone_and_the_last_with_success():
    with runs() as run:
        state = run.start()
        assert (run.levels, state.level, state.milestones, state.turns) == (4, 0, 0, ())
        for level in (1, 2, 3):
            state = run(state, seed=level)
            assert (state.level, state.milestones, len(state.turns)) == (level, level, level)
            assert (state.usage.turns, state.usage.tool_calls) == (level, level)
            assert state.snapshot.record.turns == level
        state = run(state, seed=4)
        assert (state.level, state.snapshot, len(state.turns)) == (4, None, 4)


def test_a_moment_is_gone_on_from_again_and_again_the_same():
    def act(messages, seed):
        return probes(seed % 1000)

    with runs(ScriptedAgent(act)) as run:
        state = run(run.start(), seed=0)
        before = (state.snapshot.record.copy(), dict(state.snapshot.place.state))
        first, again, other = (run(state, seed) for seed in (1, 1, 2))
        assert first.turns == replaced_times(again.turns, first.turns)
        assert first.turns[-1].completion.message != other.turns[-1].completion.message
        assert (state.snapshot.record, dict(state.snapshot.place.state)) == before
        for after in (first, again, other):
            assert after.turns[:1] == state.turns
            assert after.snapshot.place.state["probed"][:1] == before[1]["probed"]
            assert len(after.snapshot.place.state["probed"]) == 2


def replaced_times(turns, like):
    """The turns with the measured times of others."""
    return tuple(
        replace(
            turn,
            completion=replace(turn.completion, seconds=other.completion.seconds),
            results=tuple(
                replace(result, seconds=timed.seconds)
                for result, timed in zip(turn.results, other.results, strict=True)
            ),
        )
        for turn, other in zip(turns, like, strict=True)
    )


def test_seeds_of_turns_follow_from_the_seed_of_the_run_and_the_turn():
    agent = Scribe()
    with runs(agent) as run:
        state = run(run.start(), seed=11)
        run(state, seed=12)
        run(state, seed=13)
    assert [seed for _, _, seed in agent.asked] == [
        derive_seed(11, 0),
        derive_seed(12, 1),
        derive_seed(13, 1),
    ]


def test_the_agent_sees_the_whole_conversation():
    agent = Scribe()
    with runs(agent) as run:
        run(run(run.start(), seed=0), seed=1)
    (first, *_), (second, *_) = agent.asked
    assert [message.role for message in first.messages] == ["user"]
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[0].content == TASK.prompt
    assert second.exchanges[0].completion.sampled_ids == (2,) * 5


@pytest.mark.parametrize(
    ("budget", "reached"),
    [
        (Budget(turns=4), 4),
        (Budget(turns=3), 2),
        (Budget(turns=2), 1),
        (Budget(tool_calls=3), 4),
        (Budget(tool_calls=2), 2),
        (Budget(action_tokens=20), 4),
        (Budget(action_tokens=16), 3),
        (Budget(action_tokens=15), 2),
        (Budget(action_tokens=4), 0),
        # A first turn of 15 tokens, and 7 for each that follows.
        (Budget(context_tokens=36), 4),
        (Budget(context_tokens=35), 3),
        (Budget(context_tokens=29), 2),
    ],
)
def test_a_budget_holds_over_all_levels_together(budget, reached):
    agent = Scribe()
    with runs(agent, budget) as run:
        state, level = run.start(), 0
        while state is not None and level < run.levels:
            state = run(state, seed=level)
            level += state is not None
    assert level == reached
    if budget.action_tokens is not None:
        left = [limits.action_tokens for _, limits, _ in agent.asked]
        assert left == [budget.action_tokens - 5 * turn for turn in range(len(left))]


def test_seconds_spent_before_a_moment_stay_spent():
    with runs(budget=Budget(wall_s=100.0)) as run:
        state = run(run.start(), seed=0)
        assert 0 < state.elapsed_s < 50
        assert run(state, seed=1) is not None
        assert run(replace(state, elapsed_s=101.0), seed=1) is None


def test_milestones_reached_in_one_turn_count_for_the_levels_that_follow():
    agent = Scribe(lambda messages, _: probes(0, 1) if len(messages) == 1 else solve(messages, _))
    with runs(agent) as run:
        first = run(run.start(), seed=0)
        assert (first.level, first.milestones) == (1, 2)
        second = run(first, seed=1)
        assert second == replace(first, level=2)
        assert len(agent.asked) == 1
        assert run(second, seed=2).milestones == 3


def test_milestones_beyond_the_levels_are_no_success():
    def act(messages, seed):
        del seed
        return probes(0, 1, 2) if len(messages) == 1 else Message("assistant", "-")

    with runs(ScriptedAgent(act), milestones=1) as run:
        first = run(run.start(), seed=0)
        assert (first.level, first.milestones) == (1, 3)
        assert run(first, seed=1) is None


def test_a_success_has_every_level_that_follows_behind_it():
    with runs(milestones=9) as run:
        state = run.start()
        for level in range(run.levels):
            state = run(state, seed=level)
        assert (run.levels, state.level, state.snapshot) == (10, 10, None)
        assert (state.milestones, len(state.turns), state.usage.turns) == (9, 4, 4)


def test_a_wrong_answer_and_a_guess_end_an_attempt():
    for text in ("-", TASK.gold):
        with runs(ScriptedAgent(lambda *_, text=text: Message("assistant", text))) as run:
            assert run(run.start(), seed=0) is None


def test_an_attempt_without_a_score_is_an_error():
    def fail(messages, seed):
        raise RuntimeError("no memory left")

    with (
        runs(ScriptedAgent(fail)) as run,
        pytest.raises(InfrastructureError, match="scored, got 'RuntimeError: no memory left'"),
    ):
        run(run.start(), seed=0)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(InputError, match="count from 0 on, got -1"):
        runs(milestones=-1)
    with pytest.raises(InputError, match="no environment 'test/None-v0'"):
        runs(ref=EnvRef("test/None-v0"))
    foreign = Task("t", "p", "g")
    with runs(task=foreign) as run, pytest.raises(InfrastructureError, match="none of a black box"):
        run.start()


class FakeSession:
    """A session that is counted while it is open."""

    opened: ClassVar[list[FakeSession]] = []

    def __init__(self):
        self.closed = False
        self.opened.append(self)

    def write(self, files):
        raise AssertionError(f"the task has no files, got {files}")

    def branch(self):
        assert not self.closed
        return FakeSession()

    def close(self):
        self.closed = True


class FakeSandbox:
    level = "fake"

    def open_session(self):
        return FakeSession()


@tool
def count(workspace: Workspace) -> str:
    """Count on, in a session."""
    workspace.session()
    total = int(str(workspace.state.get("total", 0))) + 1
    workspace.state["total"] = total
    return str(total)


def make_counting(render_mode=None):
    def has(total):
        return lambda attempt: int(str(attempt.workspace.state.get("total", 0))) >= total

    return ToolEnv(
        ListTaskset([Task("t", "Count.", "done")]),
        tools=[count],
        sandbox=FakeSandbox,
        milestones=lambda _: [Milestone("two", has(2)), Milestone("four", has(4))],
        render_mode=render_mode,
    )


def test_every_session_is_closed_in_the_end():
    gymnasium.register("test/Counting-v0", entry_point=make_counting, order_enforce=False)
    ref = EnvRef("test/Counting-v0")

    def act(messages, seed):
        del seed
        if len(messages) == 9:
            return Message("assistant", "done")
        return Message("assistant", tool_calls=(ToolCall("c", "count"),))

    FakeSession.opened.clear()
    with runs(
        ScriptedAgent(act), milestones=2, ref=ref, task=make(ref).taskset.task("train", 0)
    ) as run:
        first = run(run.start(), seed=0)
        ends = [run(run(first, seed), seed) for seed in range(5)]
        assert [end.level for end in ends] == [3] * 5
        assert not first.snapshot.place.session.closed
        # Those of `first`, of the five moments between, and none of those merely looked at.
        assert sum(not session.closed for session in FakeSession.opened) == 6
    assert all(session.closed for session in FakeSession.opened)
    run.close()
