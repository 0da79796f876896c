"""The checks find what they are for, and nothing in sound environments."""

from __future__ import annotations

from collections import Counter

import gymnasium
import pytest

from reachgym.envs import (
    Attempt,
    EnvRef,
    Message,
    Task,
    ToolCall,
    ToolEnv,
    Verdict,
    register,
    tool,
)
from reachgym.envs.checking import check_env, check_gold
from reachgym.envs.errors import InputError, TaskError
from reachgym.envs.suites import families
from reachgym.envs.taskset import ListTaskset

TASKS = [Task(f"t{i}", f"Name the {i}th fruit.", f"apple{i}") for i in range(3)]


def found(env_id: str, **kwargs) -> Counter[str]:
    return Counter(finding.check for finding in check_env(env_id, **kwargs))


def register_class(env_id: str, made) -> None:
    gymnasium.register(env_id, entry_point=made, order_enforce=False)


@pytest.mark.parametrize("text", ["chat", "terse"])
@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_nothing_is_found_in_the_families(family, text):
    findings = check_env(EnvRef(family.id, {"text": text}), tasks=2)
    assert [finding for finding in findings if finding.error] == []


def test_nothing_is_found_in_a_plain_environment():
    register("test_check/Plain-v0", tasks=TASKS)
    assert check_env("test_check/Plain-v0") == []


def test_a_gold_answer_that_fails_is_found():
    register("test_check/Harsh-v0", tasks=TASKS, verifier=lambda a: Verdict(0.0, False, "never"))
    findings = check_env("test_check/Harsh-v0")
    assert [finding.check for finding in findings] == ["gold"] * 3
    assert "'apple0' must pass; the verifier said: never" in findings[0].message
    assert findings[0].error


def test_a_wrong_answer_that_passes_is_found():
    register("test_check/Mild-v0", tasks=TASKS, verifier=lambda a: Verdict(1.0, True))
    findings = check_env("test_check/Mild-v0", tasks=1)
    gold = [finding for finding in findings if finding.check == "gold"]
    assert len(gold) == 2
    assert "answer '' passed" in gold[0].message
    assert {"budget", "unicode", "gold", "chance"} == {finding.check for finding in findings}


def needs_evidence(attempt: Attempt) -> Verdict:
    right = attempt.answer == attempt.task.gold
    passed = right and bool(attempt.results)
    return Verdict(float(passed), passed, "judged", guess=right and not passed)


@tool
def look() -> str:
    """Look."""
    return "a fruit"


def looking(messages) -> Message:
    if messages[-1].role == "tool":
        return Message("assistant", "whatever")
    return Message("assistant", tool_calls=(ToolCall("c", "look"),))


def test_the_gold_may_need_the_evidence_that_an_oracle_gathers():
    register("test_check/Shown-v0", tasks=TASKS, tools=[look], verifier=needs_evidence)
    assert check_env("test_check/Shown-v0") == []
    assert check_env("test_check/Shown-v0", oracle=looking) == []
    blind = check_env("test_check/Shown-v0", oracle=lambda messages: Message("assistant"))
    assert [finding.check for finding in blind] == ["gold"] * 3


def test_an_oracle_that_never_answers_is_found():
    env = ToolEnv(ListTaskset(TASKS), tools=[look])
    call = Message("assistant", tool_calls=(ToolCall("c", "look"),))
    findings = check_gold(env, TASKS[:1], lambda messages: call)
    assert ["no answer" in finding.message for finding in findings] == [True]


def test_a_gold_answer_in_the_opening_is_for_a_person_to_judge():
    register("test_check/Leaky-v0", tasks=[Task("t", "Say apple, please.", "apple")])
    findings = check_env("test_check/Leaky-v0")
    assert [(finding.check, finding.error) for finding in findings] == [("leak", False)]


def test_a_gold_answer_inside_a_longer_word_is_no_leak():
    register(
        "test_check/Word-v0", tasks=[Task("t", "Halve the pineapple, not the apples.", "apple")]
    )
    assert check_env("test_check/Word-v0") == []


def test_a_tool_that_blurts_the_gold_is_found():
    @tool
    def hint() -> str:
        """Give a hint."""
        return "it is apple0"

    register("test_check/Blurting-v0", tasks=TASKS, tools=[hint])
    leaks = [f for f in check_env("test_check/Blurting-v0") if f.check == "leak"]
    assert any(finding.error for finding in leaks)


def test_tasks_that_change_are_found():
    class Fickle(ListTaskset):
        drawn = 0

        def task(self, split, index):
            Fickle.drawn += 1
            return Task(f"t{Fickle.drawn}", "Which?", f"apple{Fickle.drawn}")

    register_class("test_check/Fickle-v0", lambda render_mode=None: ToolEnv(Fickle(TASKS)))
    # One finding for each of four seeds, and for each of three indices.
    assert found("test_check/Fickle-v0")["determinism"] == 7


def test_an_opening_that_changes_is_found():
    class Moody(ToolEnv):
        openings = 0

        def reset(self, *, seed=None, options=None):
            opening, info = super().reset(seed=seed, options=options)
            Moody.openings += 1
            return (Message("system", f"Mood {Moody.openings}."), *opening), info

    register_class("test_check/Moody-v0", lambda render_mode=None: Moody(ListTaskset(TASKS)))
    assert found("test_check/Moody-v0")["determinism"] == 4


def test_a_budget_that_does_not_hold_is_found():
    class Generous(ToolEnv):
        def step(self, action):
            messages, reward, terminated, truncated, info = super().step(action)
            return messages, reward, terminated or truncated, False, info

    register_class("test_check/Generous-v0", lambda render_mode=None: Generous(ListTaskset(TASKS)))
    assert found("test_check/Generous-v0")["budget"] == 2


def test_what_gymnasium_complains_of_is_found():
    class Wordy(ToolEnv):
        def reset(self, *, seed=None, options=None):
            opening, info = super().reset(seed=seed, options=options)
            return opening[0].content, info

    register_class("test_check/Wordy-v0", lambda render_mode=None: Wordy(ListTaskset(TASKS)))
    findings = [f for f in check_env("test_check/Wordy-v0") if f.check == "gymnasium"]
    assert any(finding.error for finding in findings)


def test_an_environment_that_breaks_is_a_finding_and_no_crash():
    def broken(attempt):
        raise OSError("the judge is down")

    register("test_check/Broken-v0", tasks=TASKS, verifier=broken)
    findings = check_env("test_check/Broken-v0")
    assert {"gymnasium", "budget", "gold"} <= {finding.check for finding in findings}
    assert "InfrastructureError" in findings[0].message


def test_an_environment_that_there_is_not_or_that_is_empty_is_an_error():
    with pytest.raises(InputError, match="did you mean"):
        check_env("reachgym/Lokup-v0")

    class Empty(ListTaskset):
        def size(self, split):
            return 0

    register_class("test_check/Empty-v0", lambda render_mode=None: ToolEnv(Empty(TASKS)))
    with pytest.raises(TaskError, match="no tasks in any split"):
        check_env("test_check/Empty-v0")
