"""Runs in a sandbox of its own, without the candidate: test programs over recorded answers.

A test program calls the functions under test as if they were here. A call whose answer is not
known yet is noted, and the program goes on as far as it can without it, so that all calls that do
not depend on each other are found in one run. Once every call has its answer, the program is run
to be judged.
"""

from __future__ import annotations

import ast
import builtins
import functools
import json
import os
import random
import sys
import types
from collections import Counter
from typing import Any, TypedDict

from reachgym.envs.graders.frames import READY, FrameWriter
from reachgym.envs.graders.plain import NotPlainError, decode, encode

PASSED, FAILED, PENDING = "passed", "failed", "pending"

# Several frames shall fit under a small limit on output.
_CALLS_BYTES = 4096
# Who runs an answer as code hands the verdict to the candidate.
_NOT_FOR_TESTS = ("eval", "exec", "compile")


class Case(TypedDict):
    """A test program and the answers it may use, by occurrence and call."""

    program: str
    answers: dict[str, str]


class _PauseError(BaseException):
    """The program needs an answer that is not there yet."""


class _RefusedError(BaseException):
    """A call has no answer and never will."""


class _Unknown:
    """Stands for an answer that is not there yet: nothing can be told from it."""

    def __bool__(self) -> bool:
        raise _PauseError

    def __eq__(self, other: object) -> bool:
        raise _PauseError

    __hash__ = object.__hash__


class _Calls:
    """What a program calls instead of the candidate."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.missing: list[str] = []
        self.refused = ""
        self._answers = answers
        self._times: Counter[str] = Counter()

    def call(self, function: str, /, *arguments: object, **keywords: object) -> object:
        call = encode((function, arguments, keywords))
        # Equal calls may have different answers; they are told apart by how many came before.
        key = f"{self._times[call]} {call}"
        self._times[call] += 1
        if key not in self._answers:
            self.missing.append(key)
            return _Unknown()
        try:
            reply = decode(self._answers[key])
        except NotPlainError as error:
            raise self._refusal(str(error)) from None
        match reply:
            case {"value": value}:
                return value
            case {"raised": kinds, "message": message}:
                raise _exception(kinds, message)
            case {"refused": str(why)}:
                raise self._refusal(why)
        raise self._refusal("it is no answer")

    def _refusal(self, why: str) -> BaseException:
        # A test may catch it, and yet must not pass.
        self.refused = why
        return _RefusedError(why)


def _exception(kinds: object, message: object) -> Exception:
    """The nearest exception that Python itself has."""
    for name in kinds if isinstance(kinds, list) else []:
        kind = vars(builtins).get(name) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(message)
            except TypeError:
                continue
    return Exception(message)


class _WithoutAsserts(ast.NodeTransformer):
    """Evaluates what is asserted, and goes on whatever comes of it."""

    def visit_Assert(self, node: ast.Assert) -> ast.Try:
        handler = ast.ExceptHandler(type=None, name=None, body=[ast.Pass()])
        return ast.Try(body=[ast.Expr(node.test)], handlers=[handler], orelse=[], finalbody=[])


def judge_cases(nonce: str, setup: str, functions: list[str], cases: list[Case]) -> None:
    """Answer each case with a frame: its state, why it failed, and calls it waits for."""
    writer = FrameWriter(nonce)
    # Files that a candidate left must not be taken for modules.
    sys.path[:] = [path for path in sys.path if path not in ("", ".", os.getcwd())]
    writer.write(READY)
    for case in cases:
        writer.write(json.dumps(_judge(setup, functions, case)))
    os._exit(0)


def _judge(setup: str, functions: list[str], case: Case) -> dict[str, object]:
    calls = _Calls(case["answers"])
    _run(setup, functions, case["program"], calls, judged=False)
    why = ""
    if not calls.missing:
        calls = _Calls(case["answers"])
        why = _run(setup, functions, case["program"], calls, judged=True)
    if calls.missing:
        return {"state": PENDING, "why": "", "calls": _as_many_as_fit(calls.missing)}
    why = calls.refused or why
    return {"state": FAILED if why else PASSED, "why": why[:200], "calls": []}


def _as_many_as_fit(calls: list[str]) -> list[str]:
    lengths = (sum(map(len, calls[:count])) for count in range(1, len(calls) + 1))
    return calls[: max(1, sum(length <= _CALLS_BYTES for length in lengths))]


def _run(setup: str, functions: list[str], program: str, calls: _Calls, judged: bool) -> str:
    """Run it afresh; returns what went wrong."""
    # Every run of a program must make the same calls.
    random.seed(f"{setup}\0{program}")
    tests = types.ModuleType("tests")
    names = tests.__dict__
    names["__builtins__"] = {
        name: value for name, value in vars(builtins).items() if name not in _NOT_FOR_TESTS
    }
    try:
        _execute(setup, names, judged)
        names.update({name: functools.partial(calls.call, name) for name in functions})
        _execute(program, names, judged)
    except AssertionError:
        # What it says may tell the expected answer.
        return "AssertionError"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _execute(program: str, names: dict[str, Any], judged: bool) -> None:
    tree = ast.parse(program)
    if not judged:
        tree = ast.fix_missing_locations(_WithoutAsserts().visit(tree))
    # Tests are code of the data set, and the sandbox holds them.
    exec(compile(tree, "<tests>", "exec"), names)  # noqa: S102
