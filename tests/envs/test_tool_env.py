"""Turn semantics: every rule of an episode has its test here."""

from __future__ import annotations

import pytest

from reachgym.envs import Budget, Message, StopReason, Task, ToolCall, ToolEnv, Verdict
from reachgym.envs.errors import (
    ActionError,
    EpisodeError,
    InfrastructureError,
    InputError,
    SandboxError,
    TaskError,
)
from reachgym.envs.taskset import ListTaskset

TASK = Task("sum", "What is six times seven?", "42")


def started(env: ToolEnv) -> ToolEnv:
    env.reset(options={"task": TASK})
    return env


def test_an_episode_opens_with_the_system_prompt_and_the_task(make_env):
    opening, info = make_env(system_prompt="Be brief.").reset(options={"task": TASK})
    assert opening == (Message("system", "Be brief."), Message("user", TASK.prompt))
    assert info == {
        "task_id": "sum",
        "results": (),
        "verdict": None,
        "stop_reason": None,
        "milestones": 0,
    }


def test_without_a_system_prompt_it_opens_with_the_task_alone(make_env):
    opening, _ = make_env().reset(options={"task": TASK})
    assert opening == (Message("user", TASK.prompt),)


def test_a_message_without_calls_is_the_answer_and_ends_the_episode(make_env, say):
    step = started(make_env()).step(say.answer(" 42\n"))
    messages, reward, terminated, truncated, info = step
    assert (messages, reward, terminated, truncated) == ((), 1.0, True, False)
    assert info["verdict"].passed is True
    assert info["stop_reason"] is StopReason.ANSWERED


def test_a_wrong_answer_ends_the_episode_with_no_reward(make_env, say):
    _, reward, terminated, _, info = started(make_env()).step(say.answer("41"))
    assert (reward, terminated, info["verdict"].passed) == (0.0, True, False)


def test_an_empty_message_is_an_empty_answer(make_env, say):
    _, _, terminated, _, info = started(make_env()).step(say.answer(""))
    assert terminated
    assert info["verdict"].passed is False


def test_several_calls_run_in_order_and_each_gets_its_message(make_env, say, heard):
    messages, reward, terminated, truncated, info = started(make_env()).step(say.shouts("b", "a"))
    assert heard == ["b", "a"]
    assert messages == (
        Message("tool", "B", tool_call_id="c0"),
        Message("tool", "A", tool_call_id="c1"),
    )
    assert [(r.call_id, r.content, r.error) for r in info["results"]] == [
        ("c0", "B", False),
        ("c1", "A", False),
    ]
    assert (reward, terminated, truncated) == (0.0, False, False)


def test_content_beside_calls_is_no_answer(make_env, say):
    _, reward, terminated, _, info = started(make_env()).step(say.shouts("a", content="42"))
    assert (reward, terminated, info["verdict"]) == (0.0, False, None)


def test_a_call_to_an_unknown_tool_becomes_an_error_message(make_env, say):
    env = started(make_env())
    messages, _, terminated, truncated, info = env.step(say.calls(("shuot", {})))
    assert "no tool 'shuot'" in messages[0].content
    assert "shout, refuse" in messages[0].content
    assert info["results"][0].error
    assert not terminated
    assert not truncated
    assert env.step(say.answer("42"))[1] == 1.0


def test_a_malformed_call_becomes_an_error_message(make_env, say):
    env = started(make_env())
    bad = ToolCall("c9", "shout", parse_error="expected a closing brace")
    messages, _, terminated, truncated, _ = env.step(Message("assistant", tool_calls=(bad,)))
    assert messages == (Message("tool", "expected a closing brace", tool_call_id="c9"),)
    assert not terminated
    assert not truncated


def test_a_refusal_is_shown_and_the_other_calls_still_run(make_env, say, heard):
    action = say.calls(("refuse", {"text": "beer"}), ("shout", {"text": "a"}))
    messages, *_, info = started(make_env()).step(action)
    assert [message.content for message in messages] == ["no beer today", "A"]
    assert [result.error for result in info["results"]] == [True, False]
    assert heard == ["a"]


def test_a_tool_that_breaks_is_an_infrastructure_error_with_its_cause(make_env, say):
    env = started(make_env())
    with pytest.raises(InfrastructureError, match=r"OSError: the disk is gone") as caught:
        env.step(say.calls(("crash", {})))
    assert isinstance(caught.value.__cause__, OSError)


def test_a_lost_sandbox_keeps_its_own_error(make_env, say):
    with pytest.raises(SandboxError, match="it died"):
        started(make_env()).step(say.calls(("lose_sandbox", {})))


@pytest.mark.parametrize("name", ["crash", "lose_sandbox", "interrupted"])
def test_after_a_break_the_environment_needs_a_reset(make_env, say, name):
    env = started(make_env())
    with pytest.raises((InfrastructureError, KeyboardInterrupt)):
        env.step(say.calls((name, {})))
    with pytest.raises(EpisodeError, match="reset"):
        env.step(say.answer("42"))
    with pytest.raises(EpisodeError, match="reset"):
        env.stop(StopReason.WALL)
    assert started(env).step(say.answer("42"))[1] == 1.0


def test_the_last_turn_of_the_budget_truncates_if_it_is_no_answer(make_env, say):
    env = started(make_env(Budget(turns=2)))
    assert env.step(say.shouts("a"))[3] is False
    messages, reward, terminated, truncated, info = env.step(say.shouts("b"))
    assert [message.content for message in messages] == ["B"]
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["stop_reason"] is StopReason.TURNS
    assert info["verdict"].passed is False


def test_an_answer_on_exactly_the_last_turn_is_terminated(make_env, say):
    env = started(make_env(Budget(turns=2)))
    env.step(say.shouts("a"))
    _, reward, terminated, truncated, info = env.step(say.answer("42"))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["stop_reason"] is StopReason.ANSWERED


def test_calls_past_the_budget_are_answered_but_not_run(make_env, say, heard):
    env = started(make_env(Budget(tool_calls=2)))
    env.step(say.shouts("a"))
    messages, _, terminated, truncated, info = env.step(say.shouts("b", "c"))
    assert heard == ["a", "b"]
    assert [message.tool_call_id for message in messages] == ["c0", "c1"]
    assert messages[0].content == "B"
    assert "budget of 2 tool calls" in messages[1].content
    assert [result.error for result in info["results"]] == [False, True]
    assert (terminated, truncated) == (False, True)
    assert info["stop_reason"] is StopReason.TOOL_CALLS


def test_the_last_call_of_the_budget_leaves_room_for_an_answer(make_env, say):
    env = started(make_env(Budget(tool_calls=1)))
    assert env.step(say.shouts("a"))[2:4] == (False, False)
    assert env.step(say.answer("42"))[1:4] == (1.0, True, False)


def test_a_failed_call_counts_against_the_budget(make_env, say, heard):
    env = started(make_env(Budget(tool_calls=1)))
    *_, truncated, _ = env.step(say.calls(("nothing", {}), ("shout", {"text": "a"})))
    assert truncated
    assert heard == []


def test_where_a_turn_spends_both_budgets_the_calls_are_the_reason(make_env, say):
    env = started(make_env(Budget(turns=1, tool_calls=0)))
    *_, terminated, truncated, info = env.step(say.shouts("a"))
    assert (terminated, truncated) == (False, True)
    assert info["stop_reason"] is StopReason.TOOL_CALLS


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("calls", [0, 1, 2])
@pytest.mark.parametrize("script", ["a", "ca", "cca", "cccc", "Ca", "cCa"])
def test_an_episode_is_never_both_terminated_and_truncated(make_env, say, turns, calls, script):
    env = started(make_env(Budget(turns=turns, tool_calls=calls)))
    turn = {"a": say.answer("42"), "c": say.shouts("x"), "C": say.shouts("x", "y")}
    for letter in script:
        _, _, terminated, truncated, info = env.step(turn[letter])
        assert not (terminated and truncated)
        assert (info["verdict"] is not None) == (terminated or truncated)
        if terminated or truncated:
            assert info["stop_reason"].truncated is truncated
            break
    assert terminated or truncated


def test_a_truncated_episode_is_scored_as_it_stands(make_env, say):
    seen = []

    def graded(attempt):
        seen.append(attempt)
        return Verdict(0.5, False, "half of it")

    env = started(make_env(Budget(turns=1), verifier=graded))
    _, reward, _, truncated, _ = env.step(say.shouts("a", content="almost"))
    assert (reward, truncated) == (0.5, True)
    assert seen[0].answer is None
    assert seen[0].task == TASK
    assert [message.role for message in seen[0].messages] == ["user", "assistant", "tool"]
    assert [result.content for result in seen[0].results] == ["A"]


def test_a_verifier_sees_executed_calls_only_and_no_answer_past_the_budget(make_env, say):
    seen = []

    def graded(attempt):
        seen.append(attempt)
        return Verdict(0.0, False)

    env = started(make_env(Budget(tool_calls=1), verifier=graded))
    env.step(say.shouts("a", "b", content="42"))
    assert [result.content for result in seen[0].results] == ["A"]
    assert seen[0].answer is None


@pytest.mark.parametrize("reason", [reason for reason in StopReason if reason.truncated])
def test_a_caller_may_end_the_episode_over_its_own_budget(make_env, say, reason):
    env = started(make_env(verifier=lambda attempt: Verdict(0.5, False, str(attempt.answer))))
    env.step(say.shouts("a"))
    assert env.stop(reason) == Verdict(0.5, False, "None")
    with pytest.raises(EpisodeError, match="over"):
        env.step(say.answer("42"))
    with pytest.raises(EpisodeError, match="no episode to stop"):
        env.stop(reason)


@pytest.mark.parametrize("reason", [StopReason.ANSWERED, StopReason.FAILED])
def test_only_a_budget_stops_an_episode_from_outside(make_env, say, reason):
    env = started(make_env())
    with pytest.raises(EpisodeError, match=f"got '{reason}'"):
        env.stop(reason)
    assert env.step(say.answer("42"))[1] == 1.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Verdict(None, None, "the judge is down"), "the judge is down"),
        (Verdict(float("nan"), False), "finite"),
        (Verdict(float("inf"), True), "finite"),
        (True, "must return a Verdict; got bool"),
    ],
)
def test_what_is_no_score_is_an_infrastructure_error(make_env, say, given, told):
    env = started(make_env(verifier=lambda attempt: given))
    with pytest.raises(InfrastructureError, match=told):
        env.step(say.answer("42"))
    with pytest.raises(EpisodeError):
        env.step(say.answer("42"))


def test_a_verifier_that_raises_is_an_infrastructure_error(make_env, say):
    def broken(attempt):
        raise InputError("wrong file")

    env = started(make_env(verifier=broken))
    with pytest.raises(InfrastructureError, match="verifier failed with InputError") as caught:
        env.step(say.answer("42"))
    assert isinstance(caught.value.__cause__, InputError)
    started(env)
    with pytest.raises(InfrastructureError, match="verifier failed"):
        env.stop(StopReason.WALL)


def test_reset_after_a_truncation_starts_afresh(make_env, say, heard):
    env = started(make_env(Budget(turns=1, tool_calls=1)))
    env.step(say.shouts("a"))
    opening, _ = env.reset(options={"task": TASK})
    assert opening == (Message("user", TASK.prompt),)
    *_, truncated, info = env.step(say.shouts("b"))
    assert truncated
    assert info["stop_reason"] is StopReason.TURNS
    assert heard == ["a", "b"]


def test_a_reset_in_mid_episode_forgets_what_was_said(make_env, say):
    seen = []

    def graded(attempt):
        seen.append(attempt)
        return Verdict(1.0, True)

    env = started(make_env(verifier=graded))
    env.step(say.shouts("a"))
    started(env).step(say.answer("42"))
    assert len(seen[0].messages) == 2
    assert seen[0].results == ()


def test_step_before_reset_is_an_error(make_env, say):
    env = make_env()
    with pytest.raises(EpisodeError, match="reset"):
        env.step(say.answer("42"))
    with pytest.raises(EpisodeError, match="reset"):
        _ = env.task


def test_step_after_the_end_is_an_error(make_env, say):
    env = started(make_env())
    env.step(say.answer("42"))
    with pytest.raises(EpisodeError, match="over"):
        env.step(say.answer("42"))


@pytest.mark.parametrize(
    "action",
    [
        "42",
        None,
        {"role": "assistant", "content": "42"},
        Message("user", "42"),
        Message("tool", "42"),
        Message("assistant", None),
        Message("assistant", tool_calls=[ToolCall("c", "shout")]),
        Message("assistant", tool_calls=("shout",)),
    ],
)
def test_an_action_that_is_no_assistant_message_is_refused_and_costs_nothing(make_env, say, action):
    env = started(make_env(Budget(turns=1)))
    with pytest.raises(ActionError, match="Message of role 'assistant'"):
        env.step(action)
    assert env.step(say.answer("42"))[1] == 1.0


def test_the_gold_answer_is_in_neither_side_before_the_end(make_env, say):
    env = make_env(Budget(turns=3))
    opening, opening_info = env.reset(options={"task": Task("t", "Say it.", "s3cret")})
    first = env.step(say.shouts("a"))
    second = env.step(say.calls(("nothing", {}), ("shout", {})))
    assert not first[2]
    assert not second[2]
    assert "s3cret" not in repr((opening, opening_info, first, second))


def test_the_messages_at_the_end_do_not_tell_the_gold(make_env, say):
    env = make_env(Budget(turns=1), verifier=lambda a: Verdict(0.0, False, a.task.gold))
    env.reset(options={"task": Task("t", "Say it.", "s3cret")})
    messages, *_, info = env.step(say.shouts("a"))
    assert "s3cret" not in repr(messages)
    assert info["verdict"].explanation == "s3cret"


def test_the_same_seed_gives_the_same_task_and_seeds_differ(make_env):
    env, other = make_env(), make_env()
    drawn = []
    for seed in range(10):
        first, _ = env.reset(seed=seed)
        again, _ = other.reset(seed=seed)
        assert first == again
        drawn.append(env.task.id)
    assert len(set(drawn)) > 3


def test_without_a_seed_the_draw_goes_on(make_env):
    env = make_env()
    env.reset(seed=0)
    assert len({env.reset()[1]["task_id"] for _ in range(20)}) > 3


def test_a_split_and_an_index_choose_a_task(tasks):
    env = ToolEnv(ListTaskset([*tasks, Task("h", "Held?", "out", split="held_out")]))
    assert env.reset(options={"split": "held_out", "index": 0})[1]["task_id"] == "h"
    assert env.reset(options={"split": "held_out"})[1]["task_id"] == "h"
    assert env.reset(options={"index": 3})[1]["task_id"] == "t3"
    assert env.reset()[1]["task_id"] != "h"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tsk": TASK}, "reset options are"),
        ({"task": TASK, "index": 1}, "reset options are"),
        ({"task": "t1"}, "must be a Task, got str"),
        ({"task": Task("t", "p", "")}, "no gold"),
        ({"split": "test"}, "no split 'test'"),
        ({"split": "held_out"}, "no held_out tasks"),
        ({"index": 20}, "got 20"),
        ({"index": -1}, "got -1"),
        ({"index": "1"}, "got '1'"),
    ],
)
def test_a_bad_option_is_refused(make_env, say, options, told):
    env = started(make_env())
    with pytest.raises(InputError, match=told):
        env.reset(options=options)
    with pytest.raises(EpisodeError):
        env.step(say.answer("42"))


def test_an_endless_taskset_can_be_drawn_from():
    class Counting:
        name = "counting"

        def task(self, split, index):
            return Task(str(index), f"What is {index}?", str(index))

        def size(self, split):
            return None

    env = ToolEnv(Counting())
    env.reset(seed=1)
    assert int(env.task.gold) > 1000
    assert env.reset(options={"index": 10**12})[1]["task_id"] == str(10**12)


def test_a_drawn_task_without_gold_is_refused():
    class Goldless:
        name = "goldless"

        def task(self, split, index):
            return Task(str(index), "What?", "")

        def size(self, split):
            return 1

    with pytest.raises(TaskError, match="no gold"):
        ToolEnv(Goldless()).reset(seed=0)


def test_a_budget_of_no_turns_is_refused(make_env):
    with pytest.raises(InputError, match="at least one turn; got 0"):
        make_env(Budget(turns=0)).reset()


def test_an_assigned_budget_holds_from_the_next_reset(make_env, say):
    env = make_env()
    env.budget = Budget(turns=1)
    assert started(env).step(say.shouts("a"))[3] is True


def test_long_results_are_cut_and_say_so(make_env, say):
    env = started(make_env(max_result_chars=100))
    messages, *_, info = env.step(say.shouts("é" * 500))
    assert len(messages[0].content) == 100
    assert "cut from 500 characters" in messages[0].content
    assert info["results"][0].truncated


def test_rendering_shows_the_conversation(make_env, say):
    env = started(make_env(render_mode="ansi"))
    env.step(say.shouts("a", content="hm"))
    assert env.render() == (
        "user: What is six times seven?\nassistant: hm [shout {'text': 'a'}]\ntool: A"
    )
    assert make_env().render() is None


def test_the_tools_offered_are_told(make_env):
    assert [spec.name for spec in make_env().tool_specs][:2] == ["shout", "refuse"]


def test_a_reset_gives_the_whole_budget_of_turns_again(make_env, say):
    env = started(make_env(Budget(turns=2)))
    env.step(say.shouts("a"))
    started(env)
    *_, truncated, _ = env.step(say.shouts("b"))
    assert not truncated


def test_a_function_that_is_no_tool_is_refused_with_what_to_do():
    def shout(text):
        return str(text)

    with pytest.raises(InputError, match=r"under @tool; got .*shout"):
        ToolEnv(ListTaskset([TASK]), tools=[shout])
