"""The verifier of tasks whose answer is a program: reads tests from the gold, and grades."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TypeAlias

import pydantic

from reachgym.envs.errors import TaskError
from reachgym.envs.graders.state_check import StateCheck
from reachgym.envs.graders.stdin_stdout import StdinTests
from reachgym.envs.graders.unit_tests import UnitTests
from reachgym.envs.types import Verdict
from reachgym.envs.verifier import Attempt

CodeTests: TypeAlias = UnitTests | StdinTests | StateCheck

_KINDS: dict[str, type[CodeTests]] = {
    "unit_tests": UnitTests,
    "stdin_tests": StdinTests,
    "state_check": StateCheck,
}
_READERS = {name: pydantic.TypeAdapter(kind) for name, kind in _KINDS.items()}
_BLOCK = re.compile(r"^```[^\n`]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def code_verifier(attempt: Attempt) -> Verdict:
    """Run the answer's program against the tests in the task's gold, in the episode's sandbox.

    The reward is the share of test cases that passed.
    """
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    tests = read_gold(attempt.task.gold)
    return tests.grade(program_in(attempt.answer), attempt.workspace.sandbox()).verdict()


def program_in(answer: str) -> str:
    """The last fenced code block of an answer, or all of it where there is none."""
    blocks = _BLOCK.findall(answer)
    return str(blocks[-1]) if blocks else answer


def gold_of(tests: CodeTests) -> str:
    """Tests as the gold of a task."""
    (kind,) = (name for name, kind in _KINDS.items() if isinstance(tests, kind))
    return json.dumps({kind: asdict(tests)})


def read_gold(gold: str) -> CodeTests:
    """The tests that `gold_of` made a gold of.

    Raises:
        TaskError: The gold is something else.
    """
    try:
        ((kind, fields),) = json.loads(gold).items()
        return _READERS[kind].validate_python(fields)
    except (ValueError, AttributeError, KeyError) as error:
        raise TaskError(f"expected a gold made by gold_of(tests), got {gold[:40]!r}") from error
