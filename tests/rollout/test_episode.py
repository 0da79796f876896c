"""What an episode is: turns, budgets, failures. Every rule of the loop is pinned here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from echo_world import REF, ScriptedAgent, answer, call, echo

from reachgym.agents.protocol import Completion, FinishReason, Limits, TokenCounts
from reachgym.envs.errors import EpisodeError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import Budget, Message, StopReason, Task, ToolCall, Verdict
from reachgym.rollout.episode import Attempt, Episode, run_episode
from reachgym.rollout.trajectory import Trajectory, Usage

TASK = Task("t0", "What is six times seven?", "42", family="sums", split="train")


def attempt(budget: Budget | None = None, task: Task = TASK) -> Attempt:
    return Attempt(task, REF, 7, "base", budget or Budget())


def play(*script: Completion | Exception, budget: Budget | None = None) -> Trajectory:
    return run_episode(ScriptedAgent(*script), make(REF), attempt(budget))


def test_a_right_answer_after_a_call_passes_and_is_recorded_as_deltas():
    agent = ScriptedAgent(
        call("echo", tokens=4, prompt=9, policy_version=5, seconds=0.25),
        answer("42", tokens=3, policy_version=6, seconds=0.25),
    )
    played = run_episode(agent, make(REF), attempt())
    assert played.verdict == Verdict(1.0, True, "answered")
    assert played.stop_reason is StopReason.ANSWERED
    assert played.failure is None
    assert [turn.completion for turn in played.turns] == list(agent.script)
    assert [message.content for message in played.turns[0].replies] == ["0"]
    assert [turn.reward for turn in played.turns] == [0.0, 1.0]
    assert (played.usage.turns, played.usage.action_tokens, played.usage.context_tokens) == (
        2,
        7,
        16,
    )
    assert played.usage.tool_calls == 1
    assert played.timings.model_s == 0.5
    assert played.timings.tool_s == played.turns[0].results[0].seconds
    assert played.policy_version == 5
    assert played.key == attempt().key
    assert (played.task_id, played.family, played.split) == ("t0", "sums", "train")


def test_the_agent_sees_the_history_and_a_seed_of_its_own_each_turn():
    agent = ScriptedAgent(call("echo"), answer("no"))
    run_episode(agent, make(REF), attempt())
    assert [m.content for m in agent.seen[1].messages] == [TASK.prompt, "", "0"]
    assert agent.seeds == [derive_seed(7, 0), derive_seed(7, 1)]


def test_usage_grows_turn_by_turn_by_ids_or_by_counts():
    unread = ToolCall("c9", "echo", parse_error="no JSON")
    counted = replace(call("echo"), counts=TokenCounts(40, 6))
    said = [
        call("echo", "echo", tokens=4, prompt=9),
        replace(counted, message=replace(counted.message, tool_calls=(unread,))),
        answer("42"),
    ]
    episode = Episode(make(REF), attempt(Budget(action_tokens=20, context_tokens=90)))
    episode.start()
    left = []
    for completion in said:
        left.append(episode.pending().limits)
        episode.advance(completion)
    assert left == [Limits(20, 90), Limits(16, 90), Limits(10, 90)]
    assert episode.trajectory().usage == Usage(
        turns=3,
        action_tokens=10,
        context_tokens=46,
        tool_calls=3,
        tool_errors=1,
        parse_errors=1,
    )


class Watched(ToolEnv):
    """Keeps the actions that it was given."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.actions: list[Message] = []

    def step(self, action: Message):
        self.actions.append(action)
        return super().step(action)


def test_reasoning_is_kept_and_told_to_the_agent_but_not_to_the_environment():
    env = Watched(ListTaskset([TASK], "watched"), tools=[echo])
    said = [call("echo"), answer("42")]
    script = [replace(one, message=replace(one.message, reasoning="hm")) for one in said]
    agent = ScriptedAgent(*script)
    played = run_episode(agent, env, attempt())
    assert [turn.completion for turn in played.turns] == script
    assert agent.seen[1].messages[1].reasoning == "hm"
    assert env.actions == [one.message for one in said]


def test_limits_shrink_by_what_was_sampled_and_the_context_stays_a_total():
    agent = ScriptedAgent(call("echo", tokens=4, prompt=3), answer("no"))
    run_episode(agent, make(REF), attempt(Budget(action_tokens=10, context_tokens=50)))
    assert agent.limits == [Limits(10, 50), Limits(6, 50)]


@pytest.mark.parametrize(
    ("budget", "reason", "turns"),
    [
        (Budget(turns=2), StopReason.TURNS, 2),
        (Budget(action_tokens=8), StopReason.ACTION_TOKENS, 2),
        (Budget(context_tokens=18), StopReason.CONTEXT_TOKENS, 2),
    ],
)
def test_a_spent_budget_ends_the_episode_scored_as_it_stands(budget, reason, turns):
    agent = ScriptedAgent(*[call("echo", tokens=4, prompt=5)] * 5)
    played = run_episode(agent, make(REF), attempt(budget))
    assert played.stop_reason is reason
    assert len(played.turns) == turns
    assert played.verdict == Verdict(0.25, False, "stopped")
    assert played.turns[-1].reward == 0.25
    assert played.turns[-1].replies


@pytest.mark.parametrize("finish", [FinishReason.ACTION_TOKENS, FinishReason.CONTEXT_TOKENS])
def test_a_completion_that_was_cut_is_not_stepped(finish):
    played = play(answer("42", finish=finish))
    assert played.stop_reason == finish
    assert played.verdict.passed is False
    assert len(played.turns) == 1


def test_a_completion_beyond_its_limit_counts_as_cut():
    played = run_episode(
        ScriptedAgent(answer("42", tokens=9)), make(REF), attempt(Budget(action_tokens=8))
    )
    assert played.stop_reason is StopReason.ACTION_TOKENS
    assert played.verdict.passed is False


def test_an_answer_that_takes_the_last_token_of_the_budget_counts():
    played = run_episode(
        ScriptedAgent(answer("42", tokens=8)), make(REF), attempt(Budget(action_tokens=8))
    )
    assert played.stop_reason is StopReason.ANSWERED
    assert played.verdict.passed


def test_the_last_call_of_the_budget_runs_and_an_answer_may_follow():
    agent = ScriptedAgent(call("echo", "echo"), answer("42"))
    played = run_episode(agent, make(REF), attempt(Budget(tool_calls=2)))
    assert played.verdict.passed
    assert played.usage.tool_calls == 2


def test_calls_beyond_the_budget_are_not_run():
    agent = ScriptedAgent(call("echo"), call("echo", "echo"))
    played = run_episode(agent, make(REF), attempt(Budget(tool_calls=2)))
    assert played.stop_reason is StopReason.TOOL_CALLS
    assert played.usage.tool_calls == 2
    assert [result.content for result in played.turns[1].results] == ["0"]
    assert "not run" in played.turns[1].replies[1].content


def test_wall_time_runs_from_the_first_turn_and_ends_the_episode():
    now = iter([0.0, 100.0, 104.0, 106.0, 106.0])
    episode = Episode(make(REF), attempt(Budget(wall_s=5)), clock=lambda: next(now))
    episode.start()
    episode.advance(call("echo"))
    assert episode.finished
    assert episode.trajectory().stop_reason is StopReason.WALL
    assert episode.trajectory().timings.wall_s == 6.0


def test_an_environment_that_raises_is_a_failure_and_unscored():
    played = play(call("echo"), call("broken"))
    assert played.stop_reason is StopReason.FAILED
    assert (played.verdict.reward, played.verdict.passed) == (None, None)
    assert played.failure.kind == "InfrastructureError"
    assert "the machine of 0 is gone" in played.failure.message
    assert len(played.turns) == 2


def test_an_environment_that_does_not_start_is_a_failure():
    played = run_episode(ScriptedAgent(), make(REF), attempt(task=Task("t", "no gold", "")))
    assert played.failure.kind == "TaskError"
    assert played.verdict.reward is None
    assert played.turns == ()


def test_an_agent_that_raises_is_a_failure():
    played = play(call("echo"), ValueError("bad ids"))
    assert (played.failure.kind, played.failure.message) == ("ValueError", "bad ids")
    assert played.verdict.reward is None
    assert len(played.turns) == 1


def test_an_interrupt_is_no_failure():
    class Interrupted:
        def act(self, conversations, tools, limits, seeds):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_episode(Interrupted(), make(REF), attempt())


def test_too_few_completions_are_a_failure_that_says_so():
    class Mute:
        def act(self, conversations, tools, limits, seeds):
            return []

    played = run_episode(Mute(), make(REF), attempt())
    assert "0 completions for 1 conversations" in played.failure.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Message("assistant", "a"), "owes a Completion for each conversation; got Message("),
        (Completion("a"), "owes a Message; got 'a'"),
    ],
)
def test_what_is_no_completion_is_a_failure_that_says_so(given: object, said: str):
    class Wrong:
        def act(self, conversations, tools, limits, seeds):
            return [given]

    played = run_episode(Wrong(), make(REF), attempt())
    assert said in played.failure.message
    assert played.turns == ()


def test_a_finished_episode_takes_no_turn_and_an_unfinished_one_has_no_trajectory():
    episode = Episode(make(REF), attempt())
    episode.start()
    with pytest.raises(EpisodeError, match="not finished"):
        episode.trajectory()
    episode.advance(answer("42"))
    with pytest.raises(EpisodeError, match="finished"):
        episode.advance(answer("42"))


@pytest.mark.parametrize(("tool", "level"), [("python", "namespaces"), ("search", None)])
def test_the_isolation_at_which_code_ran_is_part_of_the_trajectory(tool: str, level: str | None):
    env = EnvRef("reachgym/Arithmetic-v0", {"interface": {"tools": [tool]}})
    made = make(env)
    argument = {"python": "code", "search": "query"}[tool]
    asked = Message("assistant", tool_calls=(ToolCall("c", tool, {argument: "1"}),))
    turn = replace(call("echo"), message=asked)
    asking = Attempt(made.taskset.task("train", 0), env, 7, "base", Budget())
    played = run_episode(ScriptedAgent(turn, answer("1")), made, asking)
    assert played.sandbox == level
