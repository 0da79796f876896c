"""CodeRepair: bugs that hidden tests tell, files judged as they were left, no other way to pass."""

import ast
import random
import re
import types

import pytest

from reachgym.agents.renderers.terse import ALPHABET, GRAMMAR_CHARACTERS
from reachgym.envs.errors import ConfigError, SandboxError, TaskError
from reachgym.envs.graders import read_gold
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.suites.code_repair.environment import (
    FAMILY,
    LEVELS,
    CodeRepairTaskset,
    guess,
    make_code_repair,
    oracle,
)
from reachgym.envs.suites.code_repair.mutations import mutations
from reachgym.envs.suites.code_repair.packages import Shape, draw_package
from reachgym.envs.suites.code_repair.short import draw_wrong, mended, steps_of
from reachgym.envs.suites.oracle import call_tool
from reachgym.envs.suites.programs.languages import read_steps
from reachgym.envs.suites.programs.steps import compiled, expression_of, source_of
from reachgym.envs.taskset import check_task, content_hash, split_of
from reachgym.envs.types import SPLITS, Message

TEXTS = ("terse", "chat")
ways = pytest.mark.parametrize(
    ("level", "text"), [(level, text) for level in LEVELS for text in TEXTS]
)


@pytest.fixture(autouse=True)
def sandboxed():
    try:
        shared_sandbox()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox: {error}")


def tasks(level, text="chat", split="train", n=20, world_seed=0):
    taskset = CodeRepairTaskset(world_seed, level, text)
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


def modules_of(files, names):
    """The modules of a package, run in this process, as one namespace."""
    found = {}
    for path in names:
        module = types.ModuleType(path)
        source = re.sub(r"^from .*$", "", files[path], flags=re.MULTILINE)
        vars(module).update(found)
        exec(source, vars(module))  # noqa: S102 - generated here
        found.update({k: v for k, v in vars(module).items() if k.startswith("make_")})
    return found


@ways
def test_the_oracle_repairs_every_split_and_reaches_the_milestones_in_order(level, text):
    for world_seed, split in ((0, "train"), (0, "held_out"), (7, "validation")):
        env = make_code_repair(level, world_seed, text)
        (task,) = tasks(level, text, split, 1, world_seed)
        messages, info, reached = play(env, task)
        assert info["verdict"].passed, messages
        # Two terse expressions may do the same.
        assert text == "terse" or messages[-1].content == task.gold
        assert reached == ([0] if text == "terse" else [0, 1, 1])


@pytest.mark.parametrize("tools", [["shell"], ["python"]])
def test_the_oracle_works_with_either_tool(tools):
    env = make_code_repair(3, interface={"tools": tools})
    (task,) = tasks(3, n=1)
    assert play(env, task)[1]["verdict"].passed


@ways
def test_equal_seeds_give_equal_tasks_and_others_give_others(level, text):
    first, again, other = (CodeRepairTaskset(seed, level, text) for seed in (3, 3, 4))
    for split in SPLITS:
        assert content_hash(first, split, 4) == content_hash(again, split, 4)
        assert content_hash(first, split, 4) != content_hash(other, split, 4)
        for task in (first.task(split, index) for index in range(4)):
            check_task(task)
            assert (task.split, task.family) == (split, f"{FAMILY.name}-{level}")


@pytest.mark.parametrize("text", TEXTS)
def test_the_splits_of_all_worlds_share_no_word_and_no_name(text):
    word = re.compile(r"(?:kit_|make_|[`'])([a-z]{5})\b")
    words = {split: set() for split in SPLITS}
    for split in SPLITS:
        for world_seed in (0, 1):
            for task in tasks(1, text, split, 100, world_seed):
                modules = "".join(v for k, v in task.files.items() if k.endswith("alpha.py"))
                words[split].update(word.findall(f"{task.prompt}\n{modules}"))
        assert {split_of(found) for found in words[split]} == {split}
        assert len(words[split]) > (190 if text == "terse" else 590)
    assert len(set().union(*words.values())) == sum(map(len, words.values()))


@pytest.mark.parametrize("level", LEVELS)
def test_hidden_tests_tell_every_bug_and_the_tests_that_are_there_too(level):
    for task in tasks(level, n=15):
        functions = modules_of(task.files, task.metadata["modules"])
        cases = read_gold(task.metadata["tests"]).cases
        wrong = [case for case in cases if not passes(case, functions)]
        for name in task.metadata["bugs"]:
            assert sum(case.startswith(f"assert {name}(") for case in wrong) >= 2
        assert len(task.metadata["bugs"]) == (2 if level == 4 else 1)
        assert ", ".join(sorted(task.metadata["bugs"])) == task.gold
        shown = re.findall(r"^    \((\w+), (.*), '(.*)'\),$", task.files["tests.py"], re.MULTILINE)
        failing = {n for n, given, out in shown if functions[n](ast.literal_eval(given)) != out}
        assert set(task.metadata["bugs"]) <= failing
        assert not {f"assert {n}({given}) == {out!r}" for n, given, out in shown} & set(cases)


def passes(case, functions):
    try:
        exec(case, dict(functions))  # noqa: S102 - generated here
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_oracle_writes_passes_what_the_bug_fails(level):
    for task in tasks(level, n=5):
        listing = "".join(f"#### {path}\n{task.files[path]}" for path in task.metadata["modules"])
        reads = oracle([Message("user", task.prompt)])
        turn = oracle([Message("user", task.prompt), reads, Message("tool", listing)])
        code = turn.tool_calls[0].arguments["code"]
        files = dict(task.files)
        written = re.findall(r"^pathlib\.Path\((.*?)\)\.write_text\((.*)\)$", code, re.MULTILINE)
        files.update({ast.literal_eval(path): ast.literal_eval(text) for path, text in written})
        functions = modules_of(files, task.metadata["modules"])
        assert all(passes(case, functions) for case in read_gold(task.metadata["tests"]).cases)


def test_bugs_of_every_kind_are_drawn():
    shape = Shape(modules=1, functions=2, depth=3, bugs=2)
    kinds = {
        kind for i in range(120) for kind in draw_package(shape, "train", "test", i).bugs.values()
    }
    assert kinds == {
        "wrong comparison",
        "wrong operator",
        "wrong function",
        "wrong variable",
        "off by one",
        "swapped",
        "missing branch",
        "missing statement",
    }


def test_mutations_are_known_and_undone():
    source = (
        "def f(x):\n    total = 0\n    for v in x:\n        if v < 3 and v:\n"
        "            total += v\n        else:\n            total -= min(v, 1)\n    return total"
    )
    (function,) = ast.parse(source).body
    before = ast.unparse(function)
    found = set()
    for mutation in mutations(function):
        with mutation.applied():
            found.add((mutation.kind, ast.unparse(function)))
        assert ast.unparse(function) == before
    changes = [
        ("wrong comparison", "v < 3", "v <= 3"),
        ("wrong operator", "3 and v", "3 or v"),
        ("wrong operator", "total += v", "total -= v"),
        ("off by one", "total = 0", "total = 1"),
        ("off by one", "< 3", "< 2"),
        ("off by one", "< 3", "< 4"),
        ("swapped", "min(v, 1)", "min(1, v)"),
        ("wrong function", "min(v, 1)", "max(v, 1)"),
    ]
    for kind, old, new in changes:
        assert (kind, before.replace(old, new)) in found
    assert any(k == "missing branch" and "else" not in source for k, source in found)
    assert any(k == "missing statement" and "total = 0" not in source for k, source in found)
    assert all("total += total" not in source for _, source in found)


def test_no_prompt_tells_what_the_files_hold():
    for task in tasks(4, n=30):
        assert "make_" not in task.prompt
        assert "`kit_" in task.prompt
        assert not [case for case in read_gold(task.metadata["tests"]).cases if case in task.prompt]


@ways
def test_who_guesses_or_says_nothing_never_passes(level, text):
    rng = random.Random(level)
    env = make_code_repair(level, text=text)
    (task,) = tasks(level, text, n=1)
    for answer in (guess(task.prompt, rng), "", "é😀\ud800", "I do not know."):
        verdict = said(env, task, answer)
        assert (verdict.passed, verdict.reward) == (False, 0.0)
        assert task.chance == 1 / 1_188_016 < 2**-20


def test_the_right_names_without_a_repair_do_not_pass():
    env = make_code_repair(2)
    (task,) = tasks(2, n=1)
    verdict = said(env, task, task.gold)
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, True)
    verdict = after(env, task, ("shell", "true"), task.gold)
    assert (verdict.passed, verdict.reward, verdict.guess) == (False, 0.0, False)
    assert "test cases passed" in verdict.explanation


def test_a_repair_without_the_names_does_not_pass_and_words_around_them_do_no_harm():
    env = make_code_repair(4)
    (task,) = tasks(4, n=1)
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
    (task,) = tasks(1, n=1)
    verdict = after(env, task, LEFT[left], task.gold)
    assert (verdict.passed, verdict.reward) == (False, 0.0), verdict.explanation
    assert verdict.explanation


@pytest.mark.parametrize("left", ["tests overwritten", "tests removed", "a sitecustomize"])
def test_what_is_left_beside_a_repair_does_it_no_harm(left):
    env = make_code_repair(1)
    (task,) = tasks(1, n=1)
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
    (task,) = tasks(1, n=1)
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


@ways
@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_without_its_files_no_package_is_repaired(level, text, information):
    if text == "terse":
        return
    env = make_code_repair(level, interface={"information": information})
    (task,) = tasks(level, split="held_out", n=1)
    messages, info, reached = play(env, task)
    assert not info["verdict"].passed
    assert set(reached) == {0}
    assert all(task.gold not in message.content for message in messages)
    # The right names do not help either.
    _, info, reached = play(env, task, answering(task.gold))
    assert (info["verdict"].passed, set(reached)) == (False, {0})


def test_the_milestone_stays_reached_once_a_module_was_changed():
    env = make_code_repair(1)
    (task,) = tasks(1, n=1)
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
    (task,) = tasks(2, n=1)
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
    (task,) = tasks(1, n=1)
    env.reset(options={"task": task})
    env.step(call_tool((), "shell", {"command": "sleep 9"}))
    with pytest.raises(SandboxError, match="interrupted or killed half-way"):
        env.snapshot()
    env.close()


@pytest.mark.parametrize("level", LEVELS)
def test_terse_texts_are_short_and_keep_to_the_small_models_alphabet(level):
    for task in tasks(level, "terse", n=60):
        assert set(task.prompt + task.gold) <= set(ALPHABET)
        assert len(task.gold) <= (GRAMMAR_CHARACTERS if level == 1 else 64)
        assert len(task.prompt) <= 44 + 20 * level
        assert task.gold not in task.prompt


@pytest.mark.parametrize("level", LEVELS)
def test_one_example_sets_a_terse_program_right(level):
    for number in range(30):
        wrong = draw_wrong(level, "train", "test", number)
        assert steps_of(expression_of(wrong.steps)) == wrong.steps
        differing = [a != b for a, b in zip(wrong.steps, wrong.program.steps, strict=True)]
        assert sum(differing) == 1
        found = compiled(f"f = lambda x: {mended(wrong.prompt)}", "f")
        faulty = compiled(source_of("f", wrong.steps), "f")
        assert faulty(wrong.given) != wrong.expected
        for value, output in (*wrong.program.shown, *wrong.program.hidden):
            assert found(value) == output
        assert wrong.given not in [value for value, _ in wrong.program.hidden]


def test_expressions_are_read_back_and_others_refused():
    for spelt in ("dtur+abcde", "sncm-abcde", "azplw+abcde"):
        assert steps_of(expression_of(read_steps(spelt))) == read_steps(spelt)
    for wrong in ("x", "x*4+'abcde'", "x.foo()+'abcde'", "'abcde'+y.upper(1)"):
        with pytest.raises(TaskError, match="expected a"):
            steps_of(wrong)
    with pytest.raises(TaskError, match="an expression and an example"):
        mended("M:x+'abcde'")
    with pytest.raises(TaskError, match="no single step"):
        mended("M:x*2+'abcde'/ab>z")


def test_tasks_stay_what_they_are():
    assert content_hash(CodeRepairTaskset(0, 4), "train", 20) == "2918b74dfdaef3d3"
    terse = CodeRepairTaskset(0, 2, "terse")
    assert content_hash(terse, "held_out", 20) == "cbe918af96a178ac"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"difficulty": 5}, "difficulty expects an integer from 1 to 4"),
        ({"world_seed": -1}, "world_seed expects"),
        ({"text": "long"}, "text knows chat, terse"),
        ({"interface": {"tools": ["sql"]}}, "interface.tools knows shell, python"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        make_code_repair(**arguments)
