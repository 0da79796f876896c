"""What decides whether an episode solved its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from reachgym.envs.types import Message, Task, ToolResult, Verdict
from reachgym.envs.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Attempt:
    """All that a verifier may judge by.

    Attributes:
        task: The task, gold included.
        messages: The whole conversation.
        results: What every executed call returned, in order.
        answer: The final answer, or None when a budget ended the episode before one.
        workspace: Where the episode's tools ran code, and where to run more; its session is still
            open, as the agent left it.
    """

    task: Task
    messages: tuple[Message, ...]
    results: tuple[ToolResult, ...]
    answer: str | None
    workspace: Workspace = field(default_factory=Workspace)


Verifier: TypeAlias = Callable[[Attempt], Verdict]


def exact_match(attempt: Attempt) -> Verdict:
    """Passed when the answer equals the gold, white space around both aside."""
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    passed = attempt.answer.strip() == attempt.task.gold.strip()
    return Verdict(float(passed), passed, "The answer is right." if passed else "It is wrong.")
