"""The gold answer passes, and what answers nothing fails."""

from __future__ import annotations

from collections.abc import Sequence

from reachgym.envs.checking.findings import Notes
from reachgym.envs.checking.subject import Subject, answering, play
from reachgym.envs.registration import Oracle
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import Task

_NO_ANSWERS = ("", "I do not know.")


def check_gold(subject: Subject, notes: Notes) -> None:
    """Each task's gold answer passes, on the oracle's evidence where there is an oracle."""
    evidence = "on the oracle's evidence" if subject.oracle else "given at once (no oracle)"
    notes.looked_at = f"the gold answers of {len(subject.tasks)} tasks, {evidence}"
    gold_passes(subject.env, subject.tasks, subject.oracle, notes)


def gold_passes(env: ToolEnv, tasks: Sequence[Task], oracle: Oracle | None, notes: Notes) -> None:
    """Note every task whose gold answer does not pass."""
    for task in tasks:
        episode = play(env, task, answering(task.gold, oracle))
        verdict = episode.verdict
        if verdict is None or (oracle is not None and episode.messages[-1].role != "assistant"):
            notes.error(
                f"task '{task.id}': the oracle gave no answer within the budget of {env.budget}",
                "widen the budget, or have the oracle answer once its evidence is complete",
            )
        elif not verdict.passed and (oracle is not None or not verdict.guess):
            notes.error(
                f"task '{task.id}': the gold answer '{task.gold}' must pass; the verifier said: "
                f"{verdict.explanation or 'nothing'}",
                "correct Task.gold or the verifier; where a pass needs evidence, give "
                "register(..., oracle=...), which gathers it",
            )


def check_no_answer(subject: Subject, notes: Notes) -> None:
    """Answering nothing at once fails on every task."""
    notes.looked_at = f"no calls and an empty answer, or none known, on {len(subject.tasks)} tasks"
    env = subject.env
    for task in subject.tasks:
        for answer in _NO_ANSWERS:
            verdict = play(env, task, answering(answer)).verdict
            if verdict is not None and verdict.passed:
                notes.error(
                    f"task '{task.id}': the answer '{answer}' passed without any call; it must "
                    "fail",
                    "have the verifier compare the whole answer with the gold",
                )
    for task in subject.few if subject.oracle else ():
        verdict = play(env, task, answering("", subject.oracle)).verdict
        if verdict is not None and verdict.passed:
            notes.warn(
                f"task '{task.id}': after the oracle's calls an empty answer passed",
                "leave it so only if what was done is judged, and not what is answered",
            )
