"""Environments whose stored attempts can be replayed: counting, chance, and files left behind."""

from __future__ import annotations

import itertools

from reachgym.envs import Task, Verdict, register, tool
from reachgym.envs.tools.session import session_python_tool
from reachgym.envs.verifier import Attempt

COUNTER = "replay_world:test/Counter-v0"
FILES = "replay_world:test/Files-v0"

TASKS = [Task(f"counter-{i}", f"Count to {i}.", str(i), "counter") for i in range(1, 5)]
# What a test may change: the tasks and tools of another day.
today = {"limit": 10}
_calls = itertools.count()


@tool
def count(to: int) -> str:
    """Count.

    Args:
        to: Where to stop.
    """
    if to > today["limit"]:
        return f"that is more than {today['limit']}"
    return " ".join(map(str, range(1, to + 1)))


@tool
def draw() -> str:
    """Draw a number that never comes again."""
    return str(next(_calls))


def judge_answer(attempt: Attempt) -> Verdict:
    """Passed when the answer is right, and below the day's limit."""
    if attempt.answer is None:
        return Verdict(0.0, False, "no answer")
    passed = attempt.answer == attempt.task.gold and int(attempt.answer) < today["limit"]
    return Verdict(float(passed), passed, "right" if passed else "wrong")


def judge_file(attempt: Attempt) -> Verdict:
    """Passed when the file `left` holds the gold answer."""
    left = attempt.workspace.session().run("print(open('left').read())").stdout.strip()
    return Verdict(float(left == attempt.task.gold), left == attempt.task.gold, f"left {left!r}")


register("test/Counter-v0", tasks=TASKS, tools=[count, draw], verifier=judge_answer)
register(
    "test/Files-v0",
    tasks=[Task("files-1", "Leave 7 in the file `left`.", "7", "files")],
    tools=[session_python_tool],
    verifier=judge_file,
)
