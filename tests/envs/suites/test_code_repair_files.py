"""What CodeRepair judges: the files as they were left, and nothing that lies beside them."""

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.suites.code_repair.environment import (
    LEVELS,
    CodeRepairTaskset,
    make_code_repair,
    oracle,
)
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.types import Message


@pytest.fixture(autouse=True)
def sandboxed():
    try:
        shared_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")


def tasks(level, split="train", n=1):
    taskset = CodeRepairTaskset(0, level)
    return [taskset.task(split, index) for index in range(n)]


def play(env, task, act=oracle):
    """The episode's messages, its last info, and the milestones after each turn."""
    opening, _ = env.reset(options={"task": task})
    messages, reached = list(opening), []
    over = False
    while not over:
        action = act(tuple(messages))
        replies, _, terminated, truncated, info = env.step(action)
        messages += [action, *replies]
        reached.append(info["milestones"])
        over = terminated or truncated
    return messages, info, reached


def said(env, task, text):
    return play(env, task, lambda _: Message("assistant", text))[1]["verdict"]


@pytest.mark.parametrize("tools", [["shell"], ["python"]])
def test_the_oracle_works_with_either_tool(tools):
    env = make_code_repair(3, interface={"tools": tools})
    (task,) = tasks(3)
    assert play(env, task)[1]["verdict"].passed


def test_the_right_names_without_a_repair_do_not_pass():
    env = make_code_repair(2)
    (task,) = tasks(2)
    verdict = said(env, task, task.gold)
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)
    verdict = after(env, task, ("shell", "true"), task.gold)
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, False)
    assert "test cases passed" in verdict.explanation


def test_a_repair_without_the_names_does_not_pass_and_words_around_them_do_no_harm():
    env = make_code_repair(4)
    (task,) = tasks(4)
    first, second = task.gold.split(", ")
    for answer, passed in ((f"Both `{second}` and {first}() were wrong.", True), (first, False)):
        verdict = play(env, task, answering(answer))[1]["verdict"]
        assert verdict.passed is passed
    assert f"does not name {second}" in verdict.explanation


def answering(text):
    """The oracle, which says something else at the end."""

    def act(messages):
        turn = oracle(messages)
        return turn if turn.tool_calls else Message("assistant", text)

    return act


def after(env, task, call, answer):
    """The verdict after one call of a tool."""
    env.reset(options={"task": task})
    name, text = call
    argument = {"python": "code", "shell": "command"}[name]
    env.step(call_tool((), name, {argument: text}))
    return env.step(Message("assistant", answer))[-1]["verdict"]


LEFT = {
    "tests overwritten": ("shell", "echo 'print(0)' > tests.py"),
    "tests removed": ("shell", "rm -r tests.py kit_*/__init__.py"),
    "modules removed": ("shell", "rm -r kit_*"),
    "a module that exits": ("shell", "echo 'import os; os._exit(0)' > kit_*/alpha.py"),
    "a module that leaves": ("shell", "echo 'import sys; sys.exit(0)' > kit_*/alpha.py"),
    "a module that is equal to everything": (
        "shell",
        "echo 'class Y(str):\n  __eq__ = lambda *a: True\n  __hash__ = str.__hash__\n"
        "def __getattr__(n): return lambda x: Y()' > kit_*/alpha.py",
    ),
    "a module that replaces the tests' words": (
        "shell",
        "echo 'import builtins\nbuiltins.AssertionError = KeyError\n"
        "builtins.all = lambda x: True' >> kit_*/alpha.py",
    ),
    "a sitecustomize": (
        "shell",
        "for d in . kit_*; do echo 'import os; os._exit(0)' | tee $d/sitecustomize.py "
        "$d/usercustomize.py $d/json.py $d/ast.py > $d/builtins.py; done",
    ),
    "a link to a device": ("shell", "ln -sf /dev/zero kit_*/alpha.py"),
    "a link to itself": ("shell", "cd kit_*; ln -sf alpha.py alpha.py"),
    "a link out": ("shell", "ln -sf /etc/passwd kit_*/alpha.py"),
    "a pipe": (
        "python",
        "import glob, os\np, = glob.glob('kit_*/alpha.py')\nos.remove(p)\nos.mkfifo(p)",
    ),
    "a socket": (
        "python",
        "import glob, os, socket\np, = glob.glob('kit_*/alpha.py')\nos.remove(p)\n"
        "socket.socket(socket.AF_UNIX).bind(p)",
    ),
    "a folder": ("shell", "cd kit_*; rm alpha.py; mkdir alpha.py"),
    "a huge file": ("shell", "cd kit_*; head -c 20000000 /dev/zero > alpha.py"),
    "a file with a hole": (
        "python",
        "import glob, os\np, = glob.glob('kit_*/alpha.py')\nos.truncate(p, 2**25)",
    ),
    "no text": (
        "python",
        "import glob\np, = glob.glob('kit_*/alpha.py')\nopen(p, 'wb').write(b'\\xff\\x00')",
    ),
    "a deep expression": (
        "python",
        "import glob\np, = glob.glob('kit_*/alpha.py')\nopen(p, 'w').write('(' * 9000)",
    ),
    "a file without rights": ("shell", "chmod 0 kit_*/alpha.py; chmod 0 kit_*"),
    "all memory taken": ("python", "x = bytearray(10**9)"),
    "everything killed": ("python", "import os, signal\nos.kill(-1, signal.SIGKILL)"),
    "processes that write on": (
        "python",
        "import glob, os\np, = glob.glob('kit_*/alpha.py')\n"
        "if os.fork() == 0:\n    while True: open(p, 'w').write('x = 1')",
    ),
    "the reader's modules replaced": (
        "python",
        "import builtins, os, sys\nos.open = os.read = lambda *a: b''\nsys.exit = os._exit = len",
    ),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_is_left_instead_of_a_repair_scores_nothing_and_breaks_nothing(left):
    env = make_code_repair(1)
    (task,) = tasks(1)
    verdict = after(env, task, LEFT[left], task.gold)
    assert (verdict.passed, verdict.reward) == (False, 0.0), verdict.explanation
    assert verdict.explanation


@pytest.mark.parametrize("left", ["tests overwritten", "tests removed", "a sitecustomize"])
def test_what_is_left_beside_a_repair_does_it_no_harm(left):
    env = make_code_repair(1)
    (task,) = tasks(1)
    name, text = LEFT[left]

    def act(messages):
        turn = oracle(messages)
        return turn if turn.tool_calls else Message("assistant", task.gold)

    opening, _ = env.reset(options={"task": task})
    messages = list(opening)
    for _ in range(2):
        action = act(tuple(messages))
        messages += [action, *env.step(action)[0]]
    argument = {"python": "code", "shell": "command"}[name]
    env.step(call_tool(messages, name, {argument: text}))
    assert env.step(Message("assistant", task.gold))[-1]["verdict"].passed


def test_hidden_outputs_are_not_where_the_modules_run():
    env = make_code_repair(1)
    (task,) = tasks(1)
    name = task.gold
    spy = (
        "import gc, os, sys\n"
        f"def {name}(x):\n"
        "    seen = [o for o in gc.get_objects() if type(o) in (str, list, tuple, dict)]\n"
        f"    return next((o for o in map(repr, seen) if 'assert {name}' in o), '')\n"
    )
    path = task.metadata["modules"][0]
    verdict = after(env, task, ("python", f"open({path!r}, 'w').write({spy!r})"), name)
    assert verdict.reward == 0.0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_without_its_files_no_package_is_repaired(level, information):
    env = make_code_repair(level, interface={"information": information})
    (task,) = tasks(level, split="held_out")
    messages, info, reached = play(env, task)
    assert not info["verdict"].passed
    assert set(reached) == {0}
    assert all(task.gold not in message.content for message in messages)
    # The right names do not help either.
    _, info, reached = play(env, task, answering(task.gold))
    assert (info["verdict"].passed, set(reached)) == (False, {0})


def test_the_milestone_stays_reached_once_a_module_was_changed():
    env = make_code_repair(1)
    (task,) = tasks(1)
    env.reset(options={"task": task})
    (path,) = task.metadata["modules"]
    counts = [
        env.step(call_tool((), "shell", {"command": command}))[-1]["milestones"]
        for command in ("ls", f"cp {path} a; echo '#' >> {path}", f"mv a {path}", "ls")
    ]
    assert counts == [0, 1, 1, 1]
    *_, info = env.step(Message("assistant", task.gold))
    assert (info["milestones"], info["verdict"].passed) == (1, False)
    _, info = env.reset(options={"task": task})
    assert info["milestones"] == 0


def test_an_episode_goes_on_from_a_snapshot_with_its_files():
    env = make_code_repair(2)
    (task,) = tasks(2)
    opening, _ = env.reset(options={"task": task})
    messages = list(opening)
    for _ in range(2):
        action = oracle(messages)
        messages += [action, *env.step(action)[0]]
    snapshot = env.snapshot()
    env.step(call_tool(messages, "shell", {"command": "rm -r kit_*"}))
    assert not env.step(Message("assistant", task.gold))[-1]["verdict"].passed
    restored, info = env.restore(snapshot)
    assert info["milestones"] == 1
    assert env.step(oracle(restored))[-1]["verdict"].passed
    snapshot.close()


def test_an_interrupted_session_cannot_be_branched_and_says_so():
    env = make_code_repair(1, sandbox={"wall_s": 0.5})
    (task,) = tasks(1)
    env.reset(options={"task": task})
    env.step(call_tool((), "shell", {"command": "sleep 9"}))
    with pytest.raises(SandboxError, match="interrupted or killed half-way"):
        env.snapshot()
    env.close()
