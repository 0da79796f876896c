"""Tests that call functions of the candidate and judge what they return."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reachgym.envs.errors import TaskError
from reachgym.envs.graders import answering, frames, judging, plain
from reachgym.envs.graders.batch import Lost, answer_in_order
from reachgym.envs.graders.program import program
from reachgym.envs.graders.report import CaseReport, Report, require_cases
from reachgym.envs.sandbox.protocol import ExecResult, Sandbox

# Tests that pass one answer on to the next call need one more round for each.
_MOST_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class UnitTests:
    """Test programs over functions that the candidate defines.

    Functions are called by value: what a candidate does to its arguments, prints, or keeps
    outside its returned value is not seen by the tests. An exception arrives as the nearest one
    that Python itself has, with its message.

    Attributes:
        functions: Names that the tests call and the candidate defines, as functions or as methods
            of a class `Solution` made without arguments.
        cases: One program per test case; it passes unless it raises.
        setup: Runs before each case: imports and helpers of the tests.
        prefix: Source that precedes the candidate's.
    """

    functions: tuple[str, ...]
    cases: tuple[str, ...]
    setup: str = ""
    prefix: str = ""

    def __post_init__(self) -> None:
        require_cases(self.cases)

    def grade(self, source: str, sandbox: Sandbox) -> Report:
        """Run the tests over a candidate's source.

        Raises:
            TaskError: A test case does not work, whatever the candidate.
            SandboxError: The sandbox itself failed.
        """
        answers: list[dict[str, str]] = [{} for _ in self.cases]
        reports: dict[int, CaseReport] = {}
        for _ in range(_MOST_ROUNDS):
            waiting = [index for index in range(len(self.cases)) if index not in reports]
            programs = [judging.Case(program=self.cases[i], answers=answers[i]) for i in waiting]
            calls: list[tuple[int, str]] = []
            judged = judge(programs, sandbox, setup=self.setup, functions=self.functions)
            for index, state in zip(waiting, judged, strict=True):
                if isinstance(state, CaseReport):
                    _check_called(index, state, answers[index])
                    reports[index] = state
                else:
                    calls += [(index, call) for call in state]
            if not calls:
                break
            self._answer(calls, answers, source, sandbox)
        unsettled = CaseReport(False, f"it needs more than {_MOST_ROUNDS} rounds of calls")
        return Report(tuple(reports.get(index, unsettled) for index in range(len(self.cases))))

    def _answer(
        self,
        calls: list[tuple[int, str]],
        answers: list[dict[str, str]],
        source: str,
        sandbox: Sandbox,
    ) -> None:
        whole = self.prefix + source

        def execute(nonce: str, rest: Sequence[str]) -> ExecResult:
            modules = (frames, plain, answering)
            return sandbox.exec(program(modules, "answer_calls", nonce, whole, list(rest)))

        # A key is how many equal calls came before, a space, and the call.
        replies = answer_in_order([key.partition(" ")[2] for _, key in calls], execute)
        for (index, key), reply in zip(calls, replies, strict=True):
            if isinstance(reply, Lost):
                answers[index][key] = plain.encode({"refused": reply.why})
            else:
                answers[index][key] = reply


def judge(
    cases: list[judging.Case],
    sandbox: Sandbox,
    *,
    setup: str = "",
    functions: Sequence[str] = (),
    files: dict[str, bytes] | None = None,
) -> list[CaseReport | list[str]]:
    """Run test programs in an execution of their own; a report, or the calls each waits for.

    Raises:
        SandboxError: The sandbox itself failed.
    """

    def execute(nonce: str, rest: Sequence[judging.Case]) -> ExecResult:
        modules = (frames, plain, judging)
        arguments = (nonce, setup, list(functions), list(rest))
        return sandbox.exec(program(modules, "judge_cases", *arguments), files=files)

    return [_state(frame) for frame in answer_in_order(cases, execute)]


def _state(frame: str | Lost) -> CaseReport | list[str]:
    if isinstance(frame, Lost):
        return CaseReport(False, f"the test did not end: {frame.why}")
    # Only the judging program knows the nonce, so it wrote this.
    told = json.loads(frame)
    if told["state"] == judging.PENDING:
        return [str(call) for call in told["calls"]]
    return CaseReport(told["state"] == judging.PASSED, told["why"])


def _check_called(index: int, report: CaseReport, answers: dict[str, str]) -> None:
    if not answers:
        raise TaskError(
            f"expected test case {index} to call a function of the candidate, but it"
            f" {'calls none' if report.passed else 'failed before: ' + report.why}"
        )
