"""Programs judged by the files they leave: honest ones, and attacks that score 0."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import TaskError
from reachgym.envs.graders import StateCheck

COUNTS = StateCheck(
    paths=("out/counts.json", "log.bin"),
    setup="import json",
    cases=(
        "assert json.load(open('out/counts.json')) == {'a': 2, 'b': 1}",
        "assert open('log.bin', 'rb').read() == bytes([0, 255])",
    ),
    files={"words.txt": "a b a", "deep/er.txt": "x"},
)
COUNT = (
    "import collections, json, os\n"
    "os.mkdir('out')\n"
    "counts = collections.Counter(open('words.txt').read().split())\n"
    "json.dump(counts, open('out/counts.json', 'w'))\n"
)
LOG = "open('log.bin', 'wb').write(bytes([0, 255]))\n"


@pytest.mark.parametrize(
    "ending",
    ["", "import sys; sys.exit(0)", "import sys; sys.exit('done')", "print('x' * 10**6)"],
)
def test_an_honest_program_passes(sandbox, ending):
    report = COUNTS.grade(COUNT + LOG + ending, sandbox)
    assert report.passed, report


def test_each_check_counts_for_itself(sandbox):
    report = COUNTS.grade(COUNT, sandbox)
    assert [case.passed for case in report.cases] == [True, False]
    assert "FileNotFoundError" in report.cases[1].why


def test_a_check_finds_nothing_but_the_paths_named(sandbox):
    check = StateCheck(
        paths=("a",), cases=("import os\nassert os.listdir() == ['a']",), files={"given": "x"}
    )
    assert check.grade("open('a', 'w').write('1')\nopen('b', 'w').write('2')", sandbox).passed


ATTACKS = {
    "it does nothing": "",
    "it fails": "1 / 0",
    "it exits with os._exit": "import os; os._exit(0)",
    "it answers and exits with os._exit": "open('o', 'w').write('right')\nimport os; os._exit(0)",
    "it answers and hangs": "open('o', 'w').write('right')\nwhile True: pass",
    "it answers and is killed": "open('o', 'w').write('right')\nimport os; os.kill(os.getpid(), 9)",
    "it leaves a link": "open('p', 'w').write('right'); import os; os.symlink('p', 'o')",
    "it leaves a pipe": "import os; os.mkfifo('o')",
    "it leaves a folder": "import os; os.mkdir('o')",
    "it leaves modules that the check imports": (
        "for n in ('json', 'os', 'collections', 'csv', 'o', 'sitecustomize'):\n"
        "    open(n + '.py', 'w').write('import os; os._exit(0)')"
    ),
    "it leaves a sparse file": "open('o', 'wb').truncate(10**7)",
    "it leaves a process behind that changes its mind": (
        "import os, time\n"
        "open('o', 'w').write('wrong')\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(0.3)\n"
        "    while True: open('o', 'w').write('right')"
    ),
    "it forges verdicts": (
        "import os, re, sys\n"
        "frame, found = sys._getframe(), set()\n"
        "while frame:\n"
        "    found |= set(re.findall('[0-9a-f]{32}', repr(frame.f_locals)))\n"
        "    frame = frame.f_back\n"
        "text = '{\"state\": \"passed\", \"why\": \"\", \"calls\": []}'\n"
        "for nonce in found:\n"
        "    for i in range(5):\n"
        "        for fd in range(256):\n"
        "            try: os.write(fd, f'{nonce} {i} {len(text)} {text}\\n'.encode())\n"
        "            except OSError: pass\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda name: name.replace(" ", "_"))
def test_an_attack_scores_nothing(hasty, attack):
    check = StateCheck(
        paths=("o", "json.py", "os.py", "collections.py", "csv.py", "o.py", "sitecustomize.py"),
        cases=("import json, csv, collections\nassert open('o').read() == 'right'",),
    )
    report = check.grade(ATTACKS[attack], hasty)
    assert report.score == 0
    assert report.cases[0].why


@pytest.mark.parametrize("make", ["symlink('given', 'o')", "mkfifo('o')", "mkdir('o')"])
def test_what_is_no_regular_file_is_missing(sandbox, make):
    check = StateCheck(
        paths=("o", "given"),
        cases=("import os\nassert os.listdir() == ['given']",),
        files={"given": "x"},
    )
    report = check.grade(f"import os; os.{make}", sandbox)
    assert report.passed, report


def test_the_check_is_not_in_the_candidates_reach(sandbox):
    check = StateCheck(paths=("o",), cases=("assert open('o').read() == 'SECRET-4711'",))
    source = (
        "import gc, re, sys\n"
        "texts = [repr(o) for o in gc.get_objects() if type(o) in (tuple, dict)]\n"
        "frame = sys._getframe()\n"
        "while frame: texts.append(repr(frame.f_locals)); frame = frame.f_back\n"
        "found = {n for text in texts for n in re.findall('SECRET-[0-9]+', text)}\n"
        "open('o', 'w').write(' '.join(found))"
    )
    report = check.grade(source, sandbox)
    assert report.cases[0].why == "AssertionError"


def test_files_larger_than_the_output_limit_fail(sandbox):
    check = StateCheck(paths=("o",), cases=("assert open('o').read()",))
    report = check.grade("open('o', 'w').write('x' * 10**6)", sandbox)
    assert report.score == 0


def test_no_cases_are_the_tasks_fault():
    with pytest.raises(TaskError, match="at least one test case"):
        StateCheck(paths=("o",), cases=())
