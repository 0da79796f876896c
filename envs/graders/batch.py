"""Has items answered in order by executions of a sandbox, whatever becomes of single ones."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reachgym.envs.graders.frames import read_frames
from reachgym.envs.sandbox.protocol import ExecResult, Outcome

# Each may last as long as the sandbox's deadline, and a grading must end.
MOST_BROKEN_EXECUTIONS = 8

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that no execution answered.

    Attributes:
        why: What ended the execution, for a person.
    """

    why: str


def answer_in_order(
    items: Sequence[ItemT], execute: Callable[[str, Sequence[ItemT]], ExecResult]
) -> list[str | Lost]:
    """The answer to each item.

    Executions go on from the first unanswered item. An item is lost when the execution that began
    with it ends without an answer, so that each has a whole deadline for itself; all that is left
    is lost after too many executions broke, or one before it was ready.

    Args:
        items: What is to be answered.
        execute: Runs a program that writes a frame when it is ready and one for each of the items
            it is given, under the nonce it is given.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    answers: list[str | Lost] = []
    broken = 0
    while len(answers) < len(items):
        rest = items[len(answers) :]
        nonce = secrets.token_hex(16)
        result = execute(nonce, rest)
        frames = read_frames(result.stdout, nonce)
        found = frames[1 : len(rest) + 1]
        answers += found
        if len(found) == len(rest):
            break
        broken += not (found and result.truncated)
        if not frames or broken == MOST_BROKEN_EXECUTIONS:
            return answers + [Lost(_ending(result))] * (len(items) - len(answers))
        if not found:
            answers.append(Lost(_ending(result)))
    return answers


def _ending(result: ExecResult) -> str:
    if result.outcome is Outcome.TIMEOUT:
        return f"it timed out after {result.seconds:.3g} s"
    if result.truncated:
        return "its output was larger than the sandbox keeps"
    if result.outcome is Outcome.KILLED:
        return "it was killed, perhaps for a resource limit"
    lines = result.stderr.strip().splitlines()
    return lines[-1][:200] if lines else f"it ended with status {result.exit_code}"
