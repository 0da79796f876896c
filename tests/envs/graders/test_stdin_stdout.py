"""Programs judged by what they print: honest ones, and attacks that score 0."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import SandboxError, TaskError
from reachgym.envs.graders import StdinTests
from reachgym.envs.graders.stdin_stdout import same_output

SUM = StdinTests((("1 2\n", "3\n"), ("40 2\n", "42"), ("-1 -1", "-2\n\n")))


@pytest.mark.parametrize(
    "source",
    [
        "a, b = map(int, input().split())\nprint(a + b)",
        "import sys\nprint(sum(map(int, sys.stdin.read().split())), '\\n')",
        "import sys\nsys.stdout.write(str(sum(map(int, sys.stdin.buffer.read().split()))))",
        "import os\nprint(sum(map(int, os.read(0, 99).split())), flush=True)",
        "for line in open(0): print(sum(map(int, line.split())))",
        "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__': main()",
        "import sys\nprint(sum(map(int, input().split())))\nsys.exit(0)",
        "import sys\nprint(sum(map(int, input().split())))\nsys.stderr.write('x' * 10**6)",
        "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
        "from threading import Thread\n"
        "Thread(target=lambda: print(sum(map(int, input().split())))).start()",
    ],
)  # fmt: skip
def test_an_honest_program_passes(sandbox, source):
    report = SUM.grade(source, sandbox)
    assert report.passed, report


def test_text_of_any_script_passes_both_ways(sandbox):
    assert StdinTests((("Zoë 木\n", "木 ëoZ"),)).grade("print(input()[::-1])", sandbox).passed


def test_each_input_counts_for_itself(hasty):
    source = "a, b = map(int, input().split())\nwhile a == 40: pass\nprint(3)"
    report = SUM.grade(source, hasty)
    assert [case.passed for case in report.cases] == [True, False, False]
    assert "timeout" in report.cases[1].why


ANSWER = "print(sum(map(int, input().split())))\n"
ATTACKS = {
    "it prints nothing": "",
    "it exits with os._exit": "import os; os._exit(0)",
    "it exits with os._exit before it prints": "import os, sys\nsys.stdout.write('3')\nos._exit(0)",
    "it exits with sys.exit": "import sys; sys.exit(0)",
    "it answers and fails": ANSWER + "1 / 0",
    "it answers and exits with a status": ANSWER + "import sys; sys.exit(3)",
    "it answers and is killed": ANSWER + "import os; os.kill(os.getpid(), 9)",
    "it answers and hangs": "print(sum(map(int, input().split())), flush=True)\nwhile True: pass",
    "it answers in the midst of other output": "print('0', sum(map(int, input().split())))",
    "it answers everything": "[print(n) for n in range(-10, 100)]",
    "it answers on standard error": "import sys; sys.stdout = sys.stderr\n" + ANSWER,
    "it floods": ANSWER + "print(' ' * 10**7)",
    "it floods after blank lines": ANSWER + "print('\\n' * 10**7)",
    "it does not compile": ANSWER + "print(",
    "it closes its output": "import os; os.close(1)",
    "it prints what it can see": (
        "import sys\nf = sys._getframe()\nwhile f: print(f.f_locals, f.f_globals); f = f.f_back"
    ),
    "it prints the whole working directory": (
        "import os\nfor n in os.listdir('.'): print(open(n).read())"
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda name: name.replace(" ", "_"))
def test_an_attack_scores_nothing(hasty, attack):
    report = SUM.grade(ATTACKS[attack], hasty)
    assert report.score == 0
    assert all(case.why for case in report.cases)


def test_what_is_expected_is_not_in_the_candidates_reach(sandbox):
    source = (
        "import gc, re, sys\n"
        "texts = [repr(o) for o in gc.get_objects() if type(o) in (tuple, dict, list)]\n"
        "frame = sys._getframe()\n"
        "while frame: texts.append(repr((frame.f_locals, frame.f_globals))); frame = frame.f_back\n"
        "found = {n for text in texts for n in re.findall('(?:SECRET|PLANTED)-[0-9]+', text)}\n"
        "print(*sorted(found))"
    )
    planted = "text = 'PLANTED-1'\n"
    tests = StdinTests((("SECRET?", "SECRET-1"), ("", "PLANTED-1")))
    report = tests.grade(planted + source, sandbox)
    assert [case.passed for case in report.cases] == [False, True], report


def test_a_program_that_always_hangs_ends_after_few_executions(impatient):
    tests = StdinTests((("", ""),) * 10)
    report = tests.grade("while True: pass", impatient)
    assert report.score == 0
    assert [case.why.startswith("not run") for case in report.cases] == [False] * 8 + [True] * 2


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("1  2 \n3", "1 2\n3\n\n", True),
        ("1\r\n2", "1\n2", True),
        ("", "", True),
        ("\n\n", "", True),
        ("0.3333333", "0.33333333", True),
        ("1", "1.0", True),
        ("1e-9", "0.0", True),
        ("1.0", "1", False),
        ("0.3334", "0.3333", False),
        ("nan", "0.5", False),
        ("inf", "0.5", False),
        ("x", "0.5", False),
        ("1 2 3", "1 2\n3", False),
        ("1\n2\n3", "1\n2", False),
        ("1\n\n2", "1\n2", False),
        ("", "1", False),
        ("1", "", False),
        ("yes", "Yes", False),
        ("0x10", "16", False),
    ],
)
def test_outputs_are_compared_word_by_word(output, expected, same):
    assert same_output(output, expected) is same


def test_no_cases_are_the_tasks_fault():
    with pytest.raises(TaskError, match="at least one test case"):
        StdinTests(())


class BrokenSandbox:
    """One whose machine failed."""

    level = "broken"

    def exec(self, code, *, files=None):
        raise SandboxError("the machine is gone")


def test_a_broken_sandbox_is_no_fault_of_the_candidate():
    with pytest.raises(SandboxError, match="the machine is gone"):
        SUM.grade(ANSWER, BrokenSandbox())
