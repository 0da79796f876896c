"""Unit tests of functions: honest candidates, and tests of many forms."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import SandboxError, TaskError
from reachgym.envs.graders import UnitTests
from reachgym.envs.sandbox.protocol import ExecResult

INCREMENT = "def f(x):\n    return x + 1\n"


class CountingSandbox:
    """One that counts executions."""

    level = "counting"

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self.executions = 0

    def exec(self, code, *, files=None):
        self.executions += 1
        return self._sandbox.exec(code, files=files)


class BrokenSandbox:
    """One whose machine failed."""

    level = "broken"

    def exec(self, code, *, files=None) -> ExecResult:
        raise SandboxError("the machine is gone")


def graded(*cases, **fields):
    return UnitTests(functions=("f",), cases=cases, **fields)


def outcomes(report):
    return [case.passed for case in report.cases]


@pytest.mark.parametrize(
    ("source", "case"),
    [
        (INCREMENT, "assert f(1) == 2"),
        (INCREMENT, "assert f(x=1) == 2, 'message'"),
        (INCREMENT, "assert abs(f(0.1) - 1.1) < 1e-9 and not f(-1)"),
        (INCREMENT, "for n in range(50):\n    assert f(n) == n + 1"),
        (INCREMENT, "assert [f(n) for n in range(3)] == [1, 2, 3]"),
        (INCREMENT, "assert set(map(f, (1, 2))) == {2, 3}"),
        (INCREMENT, "assert f(f(f(1))) == 4"),
        (INCREMENT, "x = 0\nwhile f(x) < 5:\n    x = f(x)\nassert x == 4"),
        (INCREMENT, "import math\nassert math.isclose(f(1), 2)"),
        (INCREMENT, "assert f(10**6000) == 10**6000 + 1"),
        (INCREMENT, "assert f(1j) == 1 + 1j"),
        (INCREMENT, "from random import random\nx = random()\nassert f(x) == x + 1"),
        (INCREMENT, "try:\n    f('a')\nexcept TypeError as e:\n    assert str(e)\nelse: 1 / 0"),
        ("def f(x): return (n for n in range(x))", "assert list(f(3)) == [0, 1, 2]"),
        ("def f(x): return map(str, range(x))", "assert next(f(3)) == '0'"),
        ("def f(x): return {x: ([x], {x}, (x,))}", "assert f(1) == {1: ([1], {1}, (1,))}"),
        ("def f(x): return b'\\0', 'Zo\\xeb', None", "assert f(1) == (b'\\0', 'Zo\\xeb', None)"),
        ("class Solution:\n    def f(self, x): return -x", "assert f(1) == -1"),
        ("f = lambda x: -x", "assert f(1) == -1"),
        ("def f(*a, **k): return len(a), k", "assert f(1, b=2) == (1, {'b': 2})"),
    ],
)  # fmt: skip
def test_an_honest_candidate_passes(sandbox, source, case):
    report = graded(case).grade(source, sandbox)
    assert report.passed, report
    assert report.score == 1


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return x + 2",
        "def f(x): return str(x + 1)",
        "def f(x): return None",
        "def f(x): raise ValueError('no')",
        "def f(): return 2",
        "def g(x): return x + 1",
        "f = 7",
        "def f(x: return 2",
        "raise RuntimeError('on import')",
        "",
        "\0",
        "def f(x): return f(x)",
    ],
)
def test_a_wrong_candidate_fails(sandbox, source):
    report = graded("assert f(1) == 2", "assert f(2) == 3").grade(source, sandbox)
    assert report.score == 0
    assert all(case.why for case in report.cases)


def test_each_case_counts_for_itself(sandbox):
    tests = graded("assert f(1) == 2", "assert f(2) == 4", "assert f(3) == 4")
    report = tests.grade(INCREMENT, sandbox)
    assert outcomes(report) == [True, False, True]
    verdict = report.verdict()
    assert (verdict.reward, verdict.passed) == (pytest.approx(2 / 3), False)


def test_the_explanation_of_a_failure_does_not_tell_what_was_expected(sandbox):
    tests = graded("assert f(1) == 'gold', f'{f(1)} is no gold'")
    assert "gold" not in tests.grade(INCREMENT, sandbox).verdict().explanation


def test_an_endless_loop_in_one_case_costs_that_case_alone(hasty):
    source = "def f(x):\n    while x == 2: pass\n    return x + 1"
    tests = graded(*(f"assert f({n}) == {n + 1}" for n in range(6)))
    report = tests.grade(source, hasty)
    assert outcomes(report) == [True, True, False, True, True, True]
    assert "timed out" in report.cases[2].why


def test_a_crash_in_one_case_costs_that_case_alone(hasty):
    source = "import os\ndef f(x):\n    if x == 2: os.abort()\n    return x + 1"
    tests = graded(*(f"assert f({n}) == {n + 1}" for n in range(4)))
    assert outcomes(tests.grade(source, hasty)) == [True, True, False, True]


def test_slow_calls_have_a_deadline_each(hasty):
    source = "import time\ndef f(x):\n    time.sleep(0.6)\n    return x + 1"
    tests = graded(*(f"assert f({n}) == {n + 1}" for n in range(4)))
    assert tests.grade(source, hasty).passed


def test_a_candidate_that_always_hangs_ends_after_few_executions(impatient):
    counting = CountingSandbox(impatient)
    tests = graded(*(f"assert f({n}) == {n + 1}" for n in range(30)))
    assert tests.grade("def f(x):\n    while True: pass", counting).score == 0
    assert counting.executions <= 12


def test_a_candidate_that_does_not_load_is_tried_once(sandbox):
    counting = CountingSandbox(sandbox)
    tests = graded(*(f"assert f({n}) == {n + 1}" for n in range(30)))
    report = tests.grade("1 / 0", counting)
    assert report.score == 0
    assert "ZeroDivisionError" in report.cases[0].why
    assert counting.executions == 3


def test_independent_calls_share_an_execution(sandbox):
    counting = CountingSandbox(sandbox)
    setup = "def check(g):\n" + "\n".join(f"    assert set(g({n})) == {{{n}}}" for n in range(20))
    assert graded("check(f)", setup=setup).grade("def f(x): return [x]", counting).passed
    assert counting.executions == 3


def test_answers_larger_together_than_the_output_limit_still_arrive(sandbox):
    tests = graded(*(f"assert f({n}) == '{n}' * 5000" for n in range(40)))
    assert tests.grade("def f(x): return str(x) * 5000", sandbox).passed


def test_arguments_larger_together_than_the_output_limit_still_arrive(sandbox):
    tests = graded(*(f"for c in 'abcd':\n    assert f(c * 5000) == {n}" for n in range(3)))
    report = tests.grade("def f(x): return x.count('a') and 1", sandbox)
    assert report.score == 0
    assert not any("larger" in case.why for case in report.cases)


def test_an_answer_larger_than_the_output_limit_fails_and_says_so(sandbox):
    report = graded("assert f(1)", "assert f(0) == ''").grade(
        "def f(x): return 'x' * x * 10**6", sandbox
    )
    assert outcomes(report) == [False, True]
    assert "larger than the sandbox keeps" in report.cases[0].why


def test_what_a_candidate_does_to_its_arguments_does_not_reach_the_test(sandbox):
    tests = graded("x = [3, 1]\nassert f(x) == 0 and x == [3, 1]")
    assert tests.grade("def f(x):\n    x.clear()\n    return 0", sandbox).passed


def test_a_candidate_cannot_empty_what_the_test_compares_with(sandbox):
    tests = graded("x = [3, 1]\nassert f(x) == sum(x)")
    assert not tests.grade("def f(x):\n    x.clear()\n    return 0", sandbox).passed


def test_what_a_candidate_prints_is_not_seen(sandbox):
    source = "print('x' * 10**6)\ndef f(x):\n    print('y' * 10**6)\n    return x + 1"
    assert graded("assert f(1) == 2", "assert f(2) == 3").grade(source, sandbox).passed


def test_a_candidate_keeps_its_state_between_the_calls_of_one_case(sandbox):
    source = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    assert (
        graded("assert f(1) == 1\nassert f(1) == 2\nassert f(1) == 3").grade(source, sandbox).passed
    )


def test_an_own_exception_arrives_as_the_nearest_that_python_has(sandbox):
    source = "class Mine(KeyError): pass\ndef f(x): raise Mine('why')"
    case = (
        "try:\n    f(1)\nexcept LookupError as e:\n    assert e.args == (\"'why'\",)\nelse: 1 / 0"
    )
    assert graded(case).grade(source, sandbox).passed


def test_a_main_guard_is_not_run(sandbox):
    assert (
        graded("assert f(1) == 2")
        .grade(INCREMENT + "if __name__ == '__main__':\n    1 / 0", sandbox)
        .passed
    )


def test_cases_do_not_share_names(sandbox):
    tests = graded("x.append(f(1))\nassert x == [2]", "assert x == [] and f(1)", setup="x = []")
    assert tests.grade(INCREMENT, sandbox).passed


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("assert True", "calls none"),
        ("assert undefined(1) == f(1)", "NameError"),
        ("assert f(", "SyntaxError"),
        ("assert f(len) == 1", "builtin_function"),
        ("import os\nos._exit(0)", "did not end"),
    ],
)
def test_a_test_that_never_works_is_the_tasks_fault(sandbox, case, complaint):
    with pytest.raises(TaskError, match=complaint):
        graded("assert f(1) == 2", case).grade(INCREMENT, sandbox)


def test_no_cases_are_the_tasks_fault():
    with pytest.raises(TaskError, match="at least one test case"):
        UnitTests(functions=("f",), cases=())


def test_a_broken_sandbox_is_no_fault_of_the_candidate():
    with pytest.raises(SandboxError, match="the machine is gone"):
        graded("assert f(1) == 2").grade(INCREMENT, BrokenSandbox())
