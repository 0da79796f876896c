"""Rows of MBPP, HumanEval and APPS as tasks: solutions pass, bad rows are named."""

from __future__ import annotations

import json

import pytest

from reachgym.envs import Attempt
from reachgym.envs.errors import InputError
from reachgym.envs.graders import (
    apps_task,
    code_verifier,
    gold_of,
    humaneval_task,
    mbpp_task,
    program_in,
    read_gold,
)
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.types import Task
from reachgym.envs.workspace import Workspace

MBPP = {
    "task_id": 3,
    "text": "Write a python function to find the elements shared by two tuples.",
    "code": "def shared(first, second):\r\n  return tuple(set(first) & set(second))",
    "test_list": [
        "assert set(shared((3, 4, 5, 6), (5, 7, 4, 10))) == set((4, 5))",
        "assert set(shared((1, 2, 3, 4), (5, 4, 3, 7))) == set((3, 4))",
    ],
    "test_setup_code": "",
    "challenge_test_list": ["assert shared((1,), (2,)) == ()"],
}
MBPP_IMPORT = {
    "task_id": 82,
    "text": "Write a function to find the volume of a ball.",
    "code": "import math\ndef helper(r):\n  return r ** 3\ndef volume(r):\n"
    "  return 4 / 3 * math.pi * helper(r)",
    "test_list": ["assert math.isclose(volume(R), 4188.79, rel_tol=0.001)"],
    "test_setup_code": "R = 10",
    "challenge_test_list": [],
}
MBPP_SANITIZED = {
    "source_file": "Benchmark Questions Verification V2.ipynb",
    "task_id": 126,
    "prompt": "Write a function to find the area of a circle.",
    "code": "import math\ndef sum(r):\n  return math.pi * r ** 2",
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(sum(10), 314.159, rel_tol=0.001)"],
}
HUMANEVAL = {
    "task_id": "HumanEval/38",
    "prompt": (
        "from typing import List\n\n\n"
        "def rotate(s: str):\n"
        '    """\n    turns groups of three by one\n    """\n'
        "    groups = [s[i:i + 3] for i in range(0, len(s), 3)]\n"
        "    return ''.join([g[1:] + g[0] if len(g) == 3 else g for g in groups])\n\n\n"
        "def unrotate(s: str):\n"
        '    """\n    takes a string turned by rotate, and turns it back\n    """\n'
    ),
    "canonical_solution": "    return rotate(rotate(s))\n",
    "test": (
        "\n\nMETADATA = {}\n\n\n"
        "def check(candidate):\n"
        "    from random import randint, choice\n"
        "    import string\n\n"
        "    letters = string.ascii_lowercase\n"
        "    for _ in range(100):\n"
        "        str = ''.join(choice(letters) for i in range(randint(10, 20)))\n"
        "        encoded_str = rotate(str)\n"
        "        assert candidate(encoded_str) == str\n\n"
    ),
    "entry_point": "unrotate",
}
APPS = {
    "problem_id": 7,
    "question": "Given two numbers, print their sum.",
    "solutions": json.dumps(["a, b = map(int, input().split())\nprint(a + b)"]),
    "input_output": json.dumps({"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7"]]}),
    "difficulty": "introductory",
}
APPS["solutions"] = json.dumps(["import sys\nprint(sum(map(int, sys.stdin.read().split())))"])
APPS_FUNCTION = {
    "problem_id": 8,
    "question": "Pair each number with its square.",
    "solutions": json.dumps(["class Solution:\n    def pair(self, n): return (n, n * n)"]),
    "input_output": json.dumps(
        {"fn_name": "pair", "inputs": [[2], [3]], "outputs": [[2, 4], [[3, 9]]]}
    ),
    "difficulty": "interview",
}
TASKS = {
    "mbpp": mbpp_task(MBPP),
    "mbpp-import": mbpp_task(MBPP_IMPORT),
    "mbpp-sanitized": mbpp_task(MBPP_SANITIZED),
    "humaneval": humaneval_task(HUMANEVAL),
    "apps": apps_task(APPS),
    "apps-function": apps_task(APPS_FUNCTION),
}
WRONG = {
    "mbpp": "def shared(first, second): return first",
    "mbpp-import": "def volume(r): return 4000",
    "mbpp-sanitized": "def sum(r): return 300",
    "humaneval": "    return rotate(s)\n",
    "apps": "print(3.5)",
    "apps-function": "def pair(n): return n * n",
}


@pytest.fixture
def judge(sandbox):
    def verdict(task: Task, answer: str | None):
        return code_verifier(Attempt(task, (), (), answer, Workspace(lambda: sandbox)))

    return verdict


@pytest.mark.parametrize("name", TASKS)
def test_a_rows_own_solution_passes(judge, name):
    verdict = judge(TASKS[name], str(TASKS[name].metadata["solution"]))
    assert (verdict.reward, verdict.passed) == (1, True), verdict


@pytest.mark.parametrize("name", TASKS)
def test_a_wrong_solution_fails(judge, name):
    verdict = judge(TASKS[name], WRONG[name])
    assert (verdict.reward, verdict.passed) == (0, False), verdict


def test_a_partly_right_solution_is_rewarded_for_its_part(judge):
    verdict = judge(TASKS["mbpp"], "def shared(first, second): return ()")
    assert (verdict.reward, verdict.passed) == (pytest.approx(1 / 3), False)


def test_a_program_in_a_fence_is_graded_without_the_words_around_it(judge):
    answer = f"First:\n```\nnot this\n```\nSo:\n```python\n{MBPP['code']}\n```\nDone."
    assert judge(TASKS["mbpp"], answer).passed


def test_humaneval_takes_a_whole_function_too(judge):
    whole = "def unrotate(s):\n    return rotate(rotate(s))"
    assert judge(TASKS["humaneval"], whole).passed


def test_humaneval_tests_use_the_prompts_helpers_not_the_candidates(judge):
    cheat = "    return s\n\ndef rotate(s): return s\n"
    assert judge(TASKS["humaneval"], cheat).reward == 0


def test_no_answer_fails_and_is_scored(judge):
    verdict = judge(TASKS["mbpp"], None)
    assert (verdict.reward, verdict.passed) == (0, False)


@pytest.mark.parametrize("name", TASKS)
def test_the_prompt_tells_no_test_and_no_solution(name):
    prompt = TASKS[name].prompt
    assert "assert" not in prompt
    assert "return tuple" not in prompt
    assert "4188" not in prompt
    assert "rotate(rotate" not in prompt


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mbpp", "`shared(first, second)`"),
        ("mbpp-import", "`volume(r)`"),
        ("mbpp-sanitized", "`sum(r)`"),
        ("humaneval", "def unrotate(s: str):"),
        ("apps", "standard input"),
        ("apps-function", "`pair`"),
    ],
)
def test_the_prompt_tells_how_the_program_is_called(name, told):
    assert told in TASKS[name].prompt


def test_rows_make_a_taskset():
    taskset = ListTaskset(list(TASKS.values()))
    assert taskset.size("train") == len(TASKS)
    assert TASKS["mbpp"].id == "mbpp/3"
    assert TASKS["humaneval"].id == "humaneval/HumanEval/38"
    assert TASKS["apps"].metadata["difficulty"] == "introductory"
    assert mbpp_task(MBPP, "held_out").split == "held_out"


def test_a_row_without_a_number_is_called_by_its_content():
    row = {key: value for key, value in MBPP.items() if key != "task_id"}
    assert mbpp_task(row).id == mbpp_task(row).id != mbpp_task({**row, "text": "Other."}).id


def test_a_row_of_apps_may_have_no_solutions():
    task = apps_task({**APPS, "solutions": ""})
    assert task.metadata["solution"] == ""
    assert task.gold == TASKS["apps"].gold


@pytest.mark.parametrize("name", TASKS)
def test_tests_come_back_from_a_gold(name):
    tests = read_gold(TASKS[name].gold)
    assert gold_of(tests) == TASKS[name].gold


@pytest.mark.parametrize(
    "gold", ["", "42", "{}", "[1]", '{"other": {}}', '{"unit_tests": {}}', '{"unit_tests": 1}']
)
def test_a_gold_that_holds_no_tests_is_refused(gold):
    with pytest.raises(InputError, match="gold_of"):
        read_gold(gold)


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("x = 1", "x = 1"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("a\n```python\nx = 1\n```\nb\n```py\ny = 2\n```", "y = 2\n"),
        ("```python\nx = 1", "```python\nx = 1"),
        ("x = '```'\n", "x = '```'\n"),
    ],
)
def test_the_last_fenced_block_is_the_program(answer, program):
    assert program_in(answer) == program


NODE = "class Node:\n  pass\ndef depth(node):\n  return 1"
BAD_ROWS = [
    (mbpp_task, MBPP, "text", None),
    (mbpp_task, MBPP, "text", ""),
    (mbpp_task, MBPP, "code", 7),
    (mbpp_task, MBPP, "code", "def f(:"),
    (mbpp_task, MBPP, "test_list", []),
    (mbpp_task, MBPP, "test_list", "assert shared(1, 2)"),
    (mbpp_task, MBPP, "test_list", [1]),
    (mbpp_task, MBPP, "test_list", ["assert shared("]),
    (mbpp_task, {**MBPP, "challenge_test_list": []}, "test_list", ["assert True"]),
    (mbpp_task, MBPP, "test_list", ["assert other(1)"]),
    (mbpp_task, MBPP, "test_setup_code", None),
    (mbpp_task, MBPP, "challenge_test_list", None),
    (mbpp_task, MBPP, "test_list", ["assert shared(int, (1,)) == ()"]),
    (mbpp_task, MBPP_SANITIZED, "prompt", None),
    (mbpp_task, MBPP_SANITIZED, "test_imports", None),
    (mbpp_task, MBPP_SANITIZED, "test_list", None),
    (humaneval_task, HUMANEVAL, "prompt", None),
    (humaneval_task, HUMANEVAL, "prompt", "def f("),
    (humaneval_task, HUMANEVAL, "canonical_solution", None),
    (humaneval_task, HUMANEVAL, "test", "x = 1"),
    (humaneval_task, HUMANEVAL, "entry_point", "other"),
    (apps_task, APPS, "question", None),
    (apps_task, APPS, "solutions", "{}"),
    (apps_task, APPS, "solutions", "[1]"),
    (apps_task, APPS, "solutions", "print(3)"),
    (apps_task, APPS, "difficulty", None),
    (apps_task, APPS, "input_output", ""),
    (apps_task, APPS, "input_output", "{"),
    (apps_task, APPS, "input_output", "[]"),
    (apps_task, APPS, "input_output", "{}"),
    (apps_task, APPS, "input_output", '{"inputs": [], "outputs": []}'),
    (apps_task, APPS, "input_output", '{"inputs": ["1"], "outputs": []}'),
    (apps_task, APPS, "input_output", '{"inputs": [1], "outputs": ["1"]}'),
    (apps_task, APPS, "input_output", '{"inputs": [[1]], "outputs": [1], "fn_name": "a b"}'),
    (apps_task, APPS, "input_output", '{"inputs": [1], "outputs": [1], "fn_name": "f"}'),
]


@pytest.mark.parametrize(("read", "row", "field", "value"), BAD_ROWS)
def test_a_malformed_field_is_named(read, row, field, value):
    with pytest.raises(InputError, match=f"field '{field}' of a row: expected .* got "):
        read({**row, field: value})


@pytest.mark.parametrize(("read", "row"), [(r, w) for r, w, _, _ in BAD_ROWS[::12]])
def test_a_missing_field_is_named(read, row):
    for field in row:
        if field in ("task_id", "problem_id"):
            continue
        with pytest.raises(InputError, match=f"field '{field}' of a row: expected .*no such field"):
            read({key: value for key, value in row.items() if key != field})


def test_tests_that_build_the_solutions_own_objects_are_refused_by_name():
    row = {**MBPP, "code": NODE, "test_list": ["assert depth(root) == 1"]}
    with pytest.raises(InputError, match="use of Node"):
        mbpp_task({**row, "test_setup_code": "root = Node()"})
