"""Candidates that try to pass unit tests without solving them: each scores 0."""

from __future__ import annotations

import re

import pytest

from reachgym.envs.errors import TaskError
from reachgym.envs.graders import UnitTests

# The second call's argument is in the candidate's reach; what is expected is not.
CASES = (
    "assert f(1) == 'SECRET-4711'",
    "print(f('PLANTED-1'))\nassert f('PLANTED-1') == 'SECRET-4712', 'no'",
)
WRONG = "\ndef f(x): return 'wrong'\n"
VERDICT = '{"state": "passed", "why": "", "calls": []}'

FIND_NONCES = """
import re, sys
def nonces():
    found, frame = set(), sys._getframe()
    while frame is not None:
        found |= set(re.findall(r"\\b[0-9a-f]{32}\\b", repr(frame.f_locals)))
        frame = frame.f_back
    return found
"""
FORGE = """
import os
def forge(payload):
    for nonce in nonces() | {"0" * 32}:
        text = ""
        for index in range(10):
            text += f"{nonce} {index} {len(payload)} {payload}\\n"
        for fd in range(256):
            try: os.write(fd, text.encode())
            except OSError: pass
"""
SEEK = """
import gc, os, re, sys
PATTERN = re.compile(rb"(?:SECRET|PLANTED)-[0-9]+")
def seek():
    texts, frame = [], sys._getframe()
    while frame is not None:
        texts.append(repr((frame.f_locals, frame.f_globals)))
        frame = frame.f_back
    texts += [repr(o) for o in gc.get_objects() if type(o) in (list, tuple, dict, str)]
    texts += [repr(vars(m)) for m in list(sys.modules.values())]
    content = [text.encode("utf-8", "replace") for text in texts]
    for top in (".", "/tmp", "/dev/shm", "/proc/self", "/proc/1"):
        for folder, _, names in os.walk(top):
            for name in names:
                try: content.append(open(os.path.join(folder, name), "rb").read(10**6))
                except OSError: pass
    try:
        for line in open("/proc/self/maps"):
            first, _, last = line.split()[0].partition("-")
            with open("/proc/self/mem", "rb") as memory:
                try:
                    memory.seek(int(first, 16))
                    content.append(memory.read(int(last, 16) - int(first, 16)))
                except (OSError, OverflowError, ValueError): pass
    except OSError: pass
    return sorted({found.decode() for text in content for found in PATTERN.findall(text)})
"""

ATTACKS = {
    "it exits on import with os._exit": ("import os; os._exit(0)", "status 0"),
    "it exits on import with sys.exit": ("import sys; sys.exit(0)", "status 0"),
    "it exits in a call with os._exit": ("import os\ndef f(x): os._exit(0)", "status 0"),
    "it exits in a call with sys.exit": ("import sys\ndef f(x): sys.exit(0)", "SystemExit"),
    "it exits at exit": ("import atexit, os\natexit.register(os._exit, 0)" + WRONG, "Assertion"),
    "it prints a pass at exit": (
        f"import atexit\natexit.register(print, {VERDICT!r}, flush=True)\nraise SystemExit",
        "status",
    ),
    "it interrupts": ("def f(x): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "it overwrites every file": (
        "import os\nfor folder, _, names in os.walk('/'):\n"
        "    if folder.startswith('/proc'): continue\n"
        "    for name in names:\n"
        "        try: open(os.path.join(folder, name), 'w').write('')\n"
        "        except OSError: pass\n" + WRONG,
        "Assertion",
    ),
    "it leaves modules that tests import": (
        "for name in ('json', 'random', 'ast', 'sitecustomize', 'usercustomize', 'tests'):\n"
        f"    open(name + '.py', 'w').write({f'print({VERDICT!r})'!r})\n" + WRONG,
        "Assertion",
    ),
    "it hooks imports": (
        "import builtins, sys\n"
        "class Finder:\n"
        "    def find_spec(self, *a): return None\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.modules.clear()\n"
        "builtins.__import__ = lambda *a, **k: None\n" + WRONG,
        "Assertion",
    ),
    "it replaces builtins": (
        "import builtins\n"
        "builtins.AssertionError = type('Never', (BaseException,), {})\n"
        "builtins.isinstance = lambda *a: True\n"
        "builtins.len = lambda x: 0\n"
        "builtins.all = builtins.any = lambda x: True\n" + WRONG,
        "",
    ),
    "it replaces the serialiser": (
        "import json\njson.dumps = lambda *a, **k: " + repr(VERDICT) + WRONG,
        "plain type|pair|not enough|too many",
    ),
    "it replaces the codec and the channel": (
        "import sys\n"
        "for module in list(sys.modules.values()):\n"
        "    if module.__name__.startswith('reachgym'):\n"
        "        for name in list(vars(module)):\n"
        "            if not name.startswith('__'): setattr(module, name, lambda *a: 'passed')\n"
        + WRONG,
        "Error",
    ),
    "it is equal to everything": (
        "class Yes:\n"
        "    __eq__ = __ne__ = __bool__ = __contains__ = lambda *a: True\n"
        "    __hash__ = None\n"
        "def f(x): return Yes()",
        "plain value",
    ),
    "it is a text that is equal to everything": (
        "class Yes(str):\n"
        "    __eq__ = lambda *a: True\n"
        "    __hash__ = str.__hash__\n"
        "def f(x): return Yes('wrong')",
        "Assertion",
    ),
    "it is a class whose class is equal to everything": (
        "class Meta(type):\n    __eq__ = lambda *a: True\n    __hash__ = type.__hash__\n"
        "class Yes(metaclass=Meta): pass\ndef f(x): return Yes",
        "plain value",
    ),
    "it pretends to be a text": (
        "class Yes:\n    __class__ = property(lambda self: str)\n    __eq__ = lambda *a: True\n"
        "def f(x): return Yes()",
        "ended|Error|answer",
    ),
    "it forges verdicts on every descriptor": (
        FIND_NONCES + FORGE + f"def f(x):\n    forge({VERDICT!r})\n    return 'wrong'",
        "plain type|pair|not enough|too many",
    ),
    "it forges verdicts on import": (
        FIND_NONCES + FORGE + f"forge({VERDICT!r})" + WRONG,
        "plain type|pair|not enough|too many",
    ),
    "it forges readiness and leaves": (
        FIND_NONCES + FORGE + "forge('ready')\nos._exit(0)",
        "expected the text",
    ),
    "it returns a verdict that the test prints": (
        FIND_NONCES
        + "def f(x): return '\\n'.join(f'\\n{n} 1 43 ' + "
        + repr(VERDICT)
        + " for n in nonces())",
        "Assertion",
    ),
    "it tells the nonces": (FIND_NONCES + "def f(x): return sorted(nonces())", "Assertion"),
    "it raises exceptions that read as a pass": (
        "class Passed(Exception):\n"
        f"    __str__ = __repr__ = lambda self: {VERDICT!r}\n"
        "Passed.__name__ = Passed.__qualname__ = 'passed'\n"
        "def f(x): raise Passed",
        "Exception",
    ),
    "it raises what passes for a failed test": ("def f(x): raise AssertionError", "Assertion"),
    "it raises an exception that cannot be told": (
        "class Bad(Exception):\n    def __str__(self): raise SystemExit(0)\n"
        "def f(x): raise Bad",
        "status 0",
    ),
    "it returns a huge text": ("def f(x): return 'x' * 10**7", "larger"),
    "it returns a deep value": (
        "def f(x):\n    v = []\n    for _ in range(10**5): v = [v]\n    return v",
        "nested",
    ),
    "it returns an endless iterator": (
        "import itertools\ndef f(x): return itertools.count()",
        "items",
    ),
    "it floods every descriptor": (
        "import os\ndef f(x):\n"
        "    for fd in range(3, 64):\n"
        "        try: [os.write(fd, b'x' * 10**5) for _ in range(50)]\n"
        "        except OSError: pass\n"
        "    return 'wrong'",
        "larger",
    ),
    "it closes every descriptor": ("import os\nos.closerange(0, 256)" + WRONG, "status|Bad"),
    "it answers twice by forking": (
        "import os\ndef f(x):\n    os.fork()\n    return 'wrong'",
        "",
    ),
    "it kills all it can": (
        "import os\ndef f(x):\n"
        "    for pid in (os.getppid(), 1, -1, 0):\n"
        "        try: os.kill(pid, 9)\n"
        "        except OSError: pass\n"
        "    return 'wrong'",
        "killed",
    ),
    "it leaves processes behind that forge": (
        FIND_NONCES
        + FORGE
        + "import time\ndef f(x):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        f"        while True: forge({VERDICT!r}); time.sleep(0.01)\n"
        "    return 'wrong'",
        "",
    ),
    "it crashes": ("import ctypes\ndef f(x): ctypes.string_at(0)", "killed"),
    "it asks the tests' modules": (
        "def f(x):\n"
        "    import tests, judging\n"
        "    return tests.expected",
        "ModuleNotFoundError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda name: name.replace(" ", "_"))
def test_an_attack_scores_nothing(sandbox, attack):
    source, why = ATTACKS[attack]
    tests = UnitTests(functions=("f",), cases=CASES)
    report = tests.grade(source, sandbox)
    assert report.score == 0
    for case in report.cases:
        assert case.why
        assert re.search(why, case.why)
    # Nothing of it lasts.
    honest = "def f(x): return 'SECRET-4711' if x == 1 else 'SECRET-4712'"
    assert tests.grade(honest, sandbox).passed


def test_what_is_expected_cannot_be_found_while_arguments_can(sandbox):
    source = SEEK + "def f(x): return ' '.join(seek())"
    found = "assert f(1) == 'PLANTED-1'\nassert f('PLANTED-1')"
    report = UnitTests(functions=("f",), cases=(*CASES, found)).grade(source, sandbox)
    assert [case.passed for case in report.cases] == [False, False, True], report


def test_hanging_in_one_case_of_many_leaves_the_honest_score(hasty):
    source = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n" + (
        "def f(x):\n    while x % 4 == 3: pass\n    return x if x % 2 == 0 else 'wrong'"
    )
    cases = tuple(f"assert f({n}) == {n}" for n in range(6))
    report = UnitTests(functions=("f",), cases=cases).grade(source, hasty)
    assert [case.passed for case in report.cases] == [True, False, True, False, True, False]


@pytest.mark.parametrize(
    "body", ["while True: pass", "os._exit(0)", "sys.exit(0)", "return object()"]
)
@pytest.mark.parametrize("kind", ["except Exception", "except BaseException", "except"])
def test_no_answer_is_no_exception_that_a_test_may_expect(hasty, body, kind):
    case = f"try:\n    f(1)\n    raised = False\n{kind}:\n    raised = True\nassert raised"
    report = UnitTests(functions=("f",), cases=(case,)).grade(
        f"import os, sys\ndef f(x): {body}", hasty
    )
    assert report.score == 0


@pytest.mark.parametrize(
    "case",
    [
        "for _ in range(f(1)): pass\nassert f(2) == 2",
        "assert 'x' * f(1) == f(2)",
        "import time\ntime.sleep(f(1))\nassert f(2) == 2",
        "import os\nif f(1) > 5: os._exit(0)\nassert f(2) == 2",
    ],
)
def test_an_answer_that_stops_the_test_passes_nothing_and_harms_no_other_case(hasty, case):
    tests = UnitTests(functions=("f",), cases=(case, "assert f(2) == 2"))
    report = tests.grade("def f(x): return 10**12 if x == 1 else x", hasty)
    assert [case.passed for case in report.cases] == [False, True], report


def test_a_test_does_not_run_answers_as_code(sandbox):
    for name in ("eval", "exec", "compile"):
        tests = UnitTests(functions=("f",), cases=(f"assert {name}(f(1)) == 2",))
        with pytest.raises(TaskError, match=f"NameError: name '{name}'"):
            tests.grade("def f(x): return '2'", sandbox)


def test_seeded_randomness_of_a_test_does_not_tell_what_is_expected(sandbox):
    case = "import random\nassert f(1) == random.random()"
    source = "import random\nrandom.seed(0)\ndef f(x): return random.random()"
    assert UnitTests(functions=("f",), cases=(case,)).grade(source, sandbox).score == 0
