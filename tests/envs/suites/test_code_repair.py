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
