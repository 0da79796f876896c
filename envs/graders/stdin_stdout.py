"""Tests that give a program its standard input and judge its standard output."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from reachgym.envs.graders import frames, running
from reachgym.envs.graders.batch import MOST_BROKEN_EXECUTIONS
from reachgym.envs.graders.program import program
from reachgym.envs.graders.report import CaseReport, Report, require_cases
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, Sandbox

_TOLERANCE = 1e-6
_DECIMAL = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StdinTests:
    """Inputs of a program and the outputs expected.

    Each input is given to an execution of its own. Output passes when its lines hold the same
    words; blank lines at the end do not count, and where a word with a decimal point is expected
    a number close to it will do. A program that fails, or prints more than the sandbox keeps, does
    not pass; nor do the inputs left after eight that timed out.

    Attributes:
        cases: Pairs of standard input and expected standard output.
        prefix: Source that precedes the candidate's.
    """

    cases: tuple[tuple[str, str], ...]
    prefix: str = ""

    def __post_init__(self) -> None:
        require_cases(self.cases)

    def grade(self, source: str, sandbox: Sandbox) -> Report:
        """Run the candidate's program on every input.

        Raises:
            SandboxError: The sandbox itself failed.
        """
        reports: list[CaseReport] = []
        timeouts = 0
        for text, expected in self.cases:
            if timeouts == MOST_BROKEN_EXECUTIONS:
                reports.append(CaseReport(False, "not run, because too many inputs timed out"))
                continue
            code = program((frames, running), "run_program", self.prefix + source, text)
            result = sandbox.exec(code)
            timeouts += result.outcome is Outcome.TIMEOUT
            reports.append(_report(result, expected))
        return Report(tuple(reports))


def _report(result: ExecResult, expected: str) -> CaseReport:
    if result.outcome is not Outcome.EXITED:
        return CaseReport(False, f"the program ended by {result.outcome}")
    if result.exit_code != 0:
        return CaseReport(False, f"the program ended with status {result.exit_code}")
    if result.truncated:
        return CaseReport(False, "the program printed more than the sandbox keeps")
    # The status says that it did not fail; only what it printed says that it passed.
    passed = same_output(result.stdout, expected)
    return CaseReport(passed, "" if passed else "the output is another")


def same_output(output: str, expected: str) -> bool:
    """Whether both have the same words in each line, decimal numbers up to a millionth."""
    ours, theirs = ([line.split() for line in t.rstrip().split("\n")] for t in (output, expected))
    return [len(line) for line in ours] == [len(line) for line in theirs] and all(
        _same_word(word, other)
        for line, other_line in zip(ours, theirs, strict=True)
        for word, other in zip(line, other_line, strict=True)
    )


def _same_word(word: str, expected: str) -> bool:
    if word == expected or not _DECIMAL.fullmatch(expected):
        return word == expected
    try:
        number = float(word)
    except ValueError:
        return False
    return math.isclose(number, float(expected), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
