"""Judges functions by the hidden calls of generated programs, in executions of their own."""

from __future__ import annotations

from collections.abc import Mapping

from reachgym.envs.graders import UnitTests, gold_of, program_in, read_gold
from reachgym.envs.suites.programs.drawing import Program
from reachgym.envs.suites.programs.steps import Value
from reachgym.envs.types import Verdict
from reachgym.envs.verifier import Attempt

# What a function that is asked for by itself is called.
FUNCTION = "solve"

_KEY = "tests"


def told_call(function: str, value: Value, output: Value) -> str:
    """A call and what it gives, as Python compares them."""
    return f"{function}({value!r}) == {output!r}"


def hidden_tests(programs: Mapping[str, Program]) -> dict[str, str]:
    """A task's metadata by which functions of these names are judged."""
    cases = [
        f"assert {told_call(name, *pair)}"
        for name, program in programs.items()
        for pair in program.hidden
    ]
    return {_KEY: gold_of(UnitTests(tuple(programs), tuple(cases)))}


def judge_source(attempt: Attempt, source: str) -> Verdict:
    """Passed when the functions of a source pass every hidden test; nothing is given for some.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    tests = read_gold(str(attempt.task.metadata[_KEY]))
    report = tests.grade(source, attempt.workspace.sandbox())
    return Verdict(float(report.passed), report.passed, report.verdict().explanation)


def judge_function(attempt: Attempt) -> Verdict:
    """Judges an answer that defines the function."""
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    return judge_source(attempt, program_in(attempt.answer))


def judge_expression(attempt: Attempt) -> Verdict:
    """Judges an answer that is an expression of `x`."""
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    return judge_source(attempt, f"{FUNCTION} = lambda x: (\n{attempt.answer}\n)")
