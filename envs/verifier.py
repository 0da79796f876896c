"""What decides whether an episode solved its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reachgym.envs.types import Message, Task, ToolResult, Verdict


@dataclass(frozen=True, slots=True)
class Attempt:
    """All that a verifier may judge by.

    Attributes:
        task: The task, gold included.
        messages: The whole conversation.
        results: What every executed call returned, in order.
        answer: The final answer, or None when a budget ended the episode before one.
    """

    task: Task
    messages: tuple[Message, ...]
    results: tuple[ToolResult, ...]
    answer: str | None


Verifier: TypeAlias = Callable[[Attempt], Verdict]


def exact_match(attempt: Attempt) -> Verdict:
    """Passed when the answer equals the gold, white space around both aside."""
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    passed = attempt.answer.strip() == attempt.task.gold.strip()
    return Verdict(float(passed), passed, "The answer is right." if passed else "It is wrong.")
