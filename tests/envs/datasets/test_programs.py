"""MBPP, HumanEval and APPS in their published shapes."""

from __future__ import annotations

import json

import pytest

from reachgym.envs.datasets.gold import validate_gold
from reachgym.envs.datasets.programs import make_apps, make_humaneval, make_mbpp
from reachgym.envs.errors import ConfigError, TaskError

MBPP = {
    "text": "Write a function to add two numbers.",
    "code": "def add(a, b):\r\n  return a + b",
    "task_id": 601,
    "test_setup_code": "",
    "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
    "challenge_test_list": [],
}
SANITIZED = {
    "source_file": "Benchmark Questions Verification V2.ipynb",
    "task_id": 2,
    "prompt": "Write a function to round a number up.",
    "code": "import math\ndef up(x):\n  return math.ceil(x)",
    "test_imports": ["import math"],
    "test_list": ["assert up(1.5) == math.ceil(1.5)", "assert up(3) == 3"],
}
HUMANEVAL = {
    "task_id": "HumanEval/53",
    "prompt": 'def add(x: int, y: int):\n    """Add two numbers x and y\n    """\n',
    "entry_point": "add",
    "canonical_solution": "    return x + y\n",
    "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate(0, 1) == 1\n"
    "    assert candidate(2, 3) == 5\n\n",
}
APPS = {
    "problem_id": 7,
    "question": "Print the sum of two numbers.",
    "solutions": json.dumps(["print(sum(map(int, input().split())))"]),
    "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}),
    "difficulty": "introductory",
    "url": "",
    "starter_code": "",
}
NODE = {
    **MBPP,
    "task_id": 927,
    "text": "Write a function to count.",
    "code": "class Node:\n  pass\ndef count(node):\n  return 1",
    "test_setup_code": "root = Node()",
    "test_list": ["assert count(root) == 1"],
}
MADE = [
    (make_mbpp, "mbpp.jsonl", MBPP, "def add(a, b): return 3"),
    (make_mbpp, "sanitized-mbpp.json", SANITIZED, "def up(x): return x"),
    (make_humaneval, "HumanEval.jsonl", HUMANEVAL, "    return x\n"),
    (make_apps, "test.jsonl", APPS, "print(4)"),
]


@pytest.mark.parametrize(("maker", "name", "row", "wrong"), MADE)
def test_solutions_pass_and_others_fail_hidden_tests(write, play, maker, name, row, wrong):
    env = maker(held_out=write(name, [row]))
    report = validate_gold(env)
    assert (report.checked, report.failures) == (1, ())
    assert play.answer(env, "held_out", 0, f"So:\n```python\n{wrong}\n```").passed is False
    assert "assert" not in env.task.prompt


@pytest.mark.parametrize(("maker", "name", "row", "wrong"), MADE)
def test_parquet_gives_the_same_tasks(write, maker, name, row, wrong):
    lines, table = (maker(train=write(f"rows.{suffix}", [row])) for suffix in ("jsonl", "parquet"))
    assert lines.taskset.task("train", 0) == table.taskset.task("train", 0)


def test_rows_whose_tests_build_the_solutions_own_objects_can_be_left_out(write):
    path = write("mbpp.jsonl", [MBPP, NODE])
    with pytest.raises(TaskError, match=r"mbpp\.jsonl, row 2: .*use of Node.*unusable=\"drop\""):
        make_mbpp(train=path)
    found = make_mbpp(train=path, unusable="drop").taskset.found
    assert (found.rows, found.malformed) == (2, 1)


def test_python_and_a_shell_share_a_session_and_no_tests(write, play):
    env = make_mbpp(train=write("mbpp.jsonl", [MBPP]), interface={"tools": ["python", "shell"]})
    env.reset(options={"split": "train", "index": 0})
    play.call(env, "python", code="def add(a, b): return a + b\nopen('kept', 'w').write('x')")
    assert play.call(env, "python", code="add(2, 3)") == "5"
    assert play.call(env, "shell", command="ls") == "kept"
    with pytest.raises(ConfigError, match="search"):
        make_mbpp(train=write("mbpp.jsonl", [MBPP]), interface={"tools": ["search"]})
