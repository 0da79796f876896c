"""Stored attempts come out as they are stored, and what does not is told at its turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import replay_world
from replay_world import COUNTER, FILES

from reachgym.agents.protocol import Completion
from reachgym.agents.scripted import ScriptedAgent, oracle_agent
from reachgym.envs.errors import StoreError, TaskError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import families
from reachgym.envs.types import Budget, Message, StopReason, ToolCall
from reachgym.rollout.codec import decode, encode
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.replay import Replayed, replay
from reachgym.rollout.rescore import Rescored, rescore
from reachgym.rollout.trajectory import Trajectory

DIGITS = {"difficulty": 2, "interface": {"tools": ["python"]}}


@pytest.fixture
def today() -> Iterator[dict[str, int]]:
    before = dict(replay_world.today)
    yield replay_world.today
    replay_world.today.update(before)


def asks(*calls: tuple[str, dict[str, object]]) -> Message:
    made = tuple(ToolCall(f"{name}-{i}", name, args) for i, (name, args) in enumerate(calls))
    return Message("assistant", "let me see", made)


def played(env: str, *turns: Message, task: int = 2, budget: Budget | None = None) -> Trajectory:
    """What was stored of an attempt with these turns."""
    ref = EnvRef(env)
    made = make(ref)
    script = ScriptedAgent(
        lambda messages, seed: turns[sum(m.role == "assistant" for m in messages)]
    )
    attempt = Attempt(made.taskset.task("train", task), ref, 5, "base", budget or Budget())
    try:
        (stored,) = decode(encode([run_episode(script, made, attempt)]))
    finally:
        made.close()
    return stored


def again(trajectory: Trajectory, *, live: bool = False) -> Replayed:
    with closing(Rebuilder()) as rebuilder:
        place = rebuilder.place(trajectory)
        return replay(trajectory, place.env, place.task, live=live)


def rescored(trajectory: Trajectory) -> Rescored:
    with closing(Rebuilder()) as rebuilder:
        return rescore(trajectory, rebuilder.place(trajectory))


def found(replayed: Replayed) -> list[tuple[int | None, str]]:
    return [(difference.turn, difference.field) for difference in replayed.differences]


COUNTED = (asks(("count", {"to": 3})), Message("assistant", "3"))


# Their verifiers look at what the tools left behind, which a record does not hold.
JUDGED_BY_PLACE = {"api_quest", "black_box", "code_repair"}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_an_oracles_attempts_come_out_the_same(family, live):
    kwargs = DIGITS if family.name == "arithmetic" else {"difficulty": 2}
    ref = EnvRef(family.id, kwargs)
    agent, env = oracle_agent(family.id), make(ref)
    with closing(Rebuilder()) as rebuilder, closing(env):
        for split in ("train", "held_out"):
            for index in (0, 7):
                task = env.taskset.task(split, index)
                attempt = Attempt(task, ref, index, "oracle", env.budget)
                (stored,) = decode(encode([run_episode(agent, env, attempt)]))
                place = rebuilder.place(stored)
                assert place.task == task
                replayed = replay(stored, place.env, place.task, live=live)
                needs_place = family.name in JUDGED_BY_PLACE and not live
                expected = None if needs_place else stored.verdict
                assert replayed == Replayed((), expected, needs_place)
                assert stored.verdict.passed


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("budget", "turns", "reason"),
    [
        (Budget(), COUNTED, StopReason.ANSWERED),
        (Budget(turns=1), COUNTED, StopReason.TURNS),
        (Budget(tool_calls=1), (asks(*[("count", {"to": 3})] * 3),), StopReason.TOOL_CALLS),
        (Budget(tool_calls=0), (asks(("count", {"to": 3})),), StopReason.TOOL_CALLS),
        (Budget(wall_s=0.0), COUNTED, StopReason.WALL),
        (Budget(), (asks(("count", {"too": 3}), ("cuont", {})), COUNTED[1]), StopReason.ANSWERED),
    ],
)
def test_every_way_to_end_is_played_again(budget, turns, reason, live):
    stored = played(COUNTER, *turns, budget=budget)
    assert stored.stop_reason is reason
    assert again(stored, live=live) == Replayed((), stored.verdict)


def test_a_budget_that_ends_an_attempt_after_its_calls_does_so_again():
    stored = replace(
        played(COUNTER, *COUNTED, budget=Budget(turns=1)), stop_reason=StopReason.ACTION_TOKENS
    )
    assert again(stored) == Replayed((), stored.verdict)


def test_tools_that_never_answer_twice_the_same_are_recorded_or_differ():
    stored = played(COUNTER, asks(("draw", {})), asks(("count", {"to": 1})), COUNTED[1])
    assert found(again(stored)) == []
    replayed = again(stored, live=True)
    assert found(replayed) == [(0, "replies[0].content")]
    assert replayed.differences[0].expected != replayed.differences[0].got


def test_a_tampered_attempt_is_told_at_its_turn():
    stored = played(COUNTER, *COUNTED[:1] * 3, COUNTED[1])
    turn = stored.turns[1]
    forged = replace(turn.results[0], content="1 2 4")
    reply = Message("tool", "1 2 4", tool_call_id="count-0")
    cases = {
        "result": (replace(turn, results=(forged,)), (1, "replies[0].content")),
        "reply": (replace(turn, replies=(reply,)), (1, "replies[0].content")),
        "no result": (replace(turn, results=()), (1, "error")),
        "one more": (replace(turn, results=turn.results * 2), (1, "results")),
        "answers": (replace(turn, completion=Completion(COUNTED[1])), (1, "replies")),
        "reward": (replace(turn, reward=1.0), (1, "reward")),
    }
    for name, (tampered, expected) in cases.items():
        turns = (stored.turns[0], tampered, *stored.turns[2:])
        assert found(again(replace(stored, turns=turns)))[0] == expected, name
    forged_both = replace(turn, results=(forged,), replies=(reply,))
    consistent = replace(stored, turns=(stored.turns[0], forged_both, *stored.turns[2:]))
    assert found(again(consistent)) == []
    assert found(again(consistent, live=True)) == [(1, "replies[0].content")]


def test_a_tampered_opening_answer_or_verdict_is_told():
    stored = played(COUNTER, *COUNTED)
    other = replace(stored, opening=(Message("user", "Count to 9."),))
    assert found(again(other)) == [(None, "opening[0].content")]
    wrong = replace(stored.turns[1], completion=Completion(Message("assistant", "4")))
    fields = [(1, "verdict.reward"), (1, "verdict.passed"), (1, "verdict.explanation")]
    assert found(again(replace(stored, turns=(stored.turns[0], wrong)))) == fields
    cut = replace(stored, turns=stored.turns[:1])
    assert found(again(cut)) == [(0, "stop_reason")]


def test_a_task_that_is_another_one_today_is_refused():
    stored = played(COUNTER, *COUNTED)
    with pytest.raises(TaskError, match=r"another one today \(hash \w+, stored ffff\)"):
        again(replace(stored, key=replace(stored.key, task_hash="ffff")))
    with pytest.raises(TaskError, match="no task 'counter-9'"):
        again(replace(stored, task_id="counter-9", key=replace(stored.key, task_hash="ffff")))
    with pytest.raises(StoreError, match="expected an environment"):
        again(replace(stored, env="{}"))


def test_tasks_are_found_in_whatever_order_they_are_asked_for():
    stored = [played(COUNTER, *COUNTED, task=index) for index in (3, 0, 2, 3, 1)]
    with closing(Rebuilder()) as rebuilder:
        assert [rebuilder.place(one).task.hash for one in stored] == [
            one.key.task_hash for one in stored
        ]


def left(text: str) -> tuple[Message, ...]:
    write = asks(("python", {"code": f"_ = open('left', 'w').write('{text}')"}))
    return write, Message("assistant", "done")


def test_a_verdict_on_files_is_compared_where_tools_run():
    stored = played(FILES, *left("7"), task=0)
    assert stored.verdict.passed
    assert again(stored) == Replayed((), None, needs_workspace=True)
    assert again(stored, live=True) == Replayed((), stored.verdict)


def test_a_changed_verifier_gives_new_verdicts_and_leaves_the_rest(today):
    stored = played(COUNTER, *COUNTED)
    assert rescored(stored) == Rescored(stored)
    today["limit"] = 2
    new = rescored(stored)
    # The tool would answer otherwise today: it was not asked.
    assert not new.live
    assert (new.trajectory.verdict.passed, new.trajectory.turns[-1].reward) == (False, 0.0)
    assert replace(new.trajectory, verdict=stored.verdict, turns=stored.turns) == stored
    assert [turn.replies for turn in new.trajectory.turns] == [t.replies for t in stored.turns]


def test_a_verifier_that_looks_at_files_is_given_them_by_running_the_tools_again():
    stored = played(FILES, *left("7"), task=0)
    wrong = replace(stored, verdict=replace(stored.verdict, reward=0.0, passed=False))
    new = rescored(wrong)
    assert (new.live, new.differs) == (True, False)
    assert new.trajectory == stored


def test_an_attempt_that_the_verifier_cannot_judge_becomes_a_failure(today):
    stored = played(COUNTER, *COUNTED)
    today["limit"] = "none"
    new = rescored(stored).trajectory
    assert (new.stop_reason, new.verdict.passed) == (StopReason.FAILED, None)
    assert "TypeError" in new.failure.message
    assert new.key == stored.key
