"""CodeSynthesis: hidden tests decide, examples do not suffice, and nothing won by tampering."""

import random
import re

import pytest

from reachgym.agents.renderers.terse import ALPHABET, GRAMMAR_CHARACTERS, TerseRenderer
from reachgym.envs.errors import ConfigError, SandboxError
from reachgym.envs.graders import read_gold
from reachgym.envs.sandbox.shared import shared_sandbox
from reachgym.envs.suites.code_synthesis import (
    FAMILY,
    LEVELS,
    CodeSynthesisTaskset,
    guess,
    make_code_synthesis,
    oracle,
)
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


def tasks(level, text, split="train", n=20, world_seed=0):
    taskset = CodeSynthesisTaskset(world_seed, level, text)
    return [taskset.task(split, index) for index in range(n)]


def play(env, task, act=oracle):
    """The episode's messages and its last info."""
    opening, _ = env.reset(options={"task": task})
    messages = list(opening)
    over = False
    while not over:
        action = act(tuple(messages))
        replies, _, terminated, truncated, info = env.step(action)
        messages += [action, *replies]
        over = terminated or truncated
    return messages, info


def said(env, task, text):
    return play(env, task, lambda _: Message("assistant", text))[1]["verdict"]


def hidden(task):
    """Arguments and outputs of the hidden calls, as they are written."""
    cases = read_gold(task.metadata["tests"]).cases
    return [re.fullmatch(r"assert solve\((.*)\) == (.*)", case).groups() for case in cases]


@ways
def test_the_oracle_solves_every_split_in_two_worlds(level, text):
    for world_seed in (0, 7):
        env = make_code_synthesis(level, world_seed, text)
        for split in SPLITS:
            for task in tasks(level, text, split, 1, world_seed):
                messages, info = play(env, task)
                assert info["verdict"].passed, messages
                assert messages[-1].content == task.gold


@ways
def test_equal_seeds_give_equal_tasks_and_others_give_others(level, text):
    first, again, other = (CodeSynthesisTaskset(seed, level, text) for seed in (3, 3, 4))
    for split in SPLITS:
        assert content_hash(first, split, 4) == content_hash(again, split, 4)
        assert content_hash(first, split, 4) != content_hash(other, split, 4)
        for task in (first.task(split, index) for index in range(4)):
            check_task(task)
            assert (task.split, task.family) == (split, f"{FAMILY.name}-{level}")


@pytest.mark.parametrize("text", TEXTS)
def test_the_splits_of_all_worlds_share_no_word(text):
    word = re.compile(r"[-+'\"`]([a-z]{5})\b")
    words = {split: set() for split in SPLITS}
    for split in SPLITS:
        for world_seed in (0, 1):
            for task in tasks(1, text, split, 150, world_seed):
                (found,) = set(word.findall(task.gold))
                assert found in task.prompt
                words[split].add(found)
        assert {split_of(found) for found in words[split]} == {split}
        assert len(words[split]) > 295
    assert len(set().union(*words.values())) == sum(map(len, words.values()))


@ways
def test_no_hidden_call_is_shown(level, text):
    for task in tasks(level, text):
        calls = hidden(task)
        assert len({given for given, _ in calls}) == len(calls) >= 6
        for given, _ in calls:
            assert f"solve({given})" not in task.prompt
        assert task.gold not in task.prompt


@ways
def test_who_guesses_or_says_nothing_never_passes(level, text):
    rng = random.Random(level)
    env = make_code_synthesis(level, text=text)
    (task,) = tasks(level, text, n=1)
    for answer in (guess(task.prompt, rng), "", "é😀\ud800", "x" * 10_000, "(" * 5000):
        verdict = said(env, task, answer)
        assert (verdict.passed, verdict.reward) == (False, 0.0)


def test_the_chance_is_that_of_a_word_of_the_smallest_split():
    for text in TEXTS:
        (task,) = tasks(3, text, n=1)
        assert task.chance == 1 / 1_188_016 < 2**-20


@pytest.mark.parametrize("text", TEXTS)
def test_the_right_program_with_another_word_passes_no_test(text):
    env = make_code_synthesis(2, text=text)
    (task,) = tasks(2, text, n=1)
    word = re.search(r"['\"]([a-z]{5})['\"]", task.gold)[1]
    verdict = said(env, task, task.gold.replace(word, "zzzzz"))
    assert (verdict.passed, verdict.reward) == (False, 0.0)
    assert verdict.explanation.startswith("0 of")


@pytest.mark.parametrize("level", [2, 4])
def test_a_program_that_knows_the_examples_by_heart_fails(level):
    env = make_code_synthesis(level)
    for task in tasks(level, "chat", n=3):
        known = re.findall(r"^solve\((.*)\) == (.*)$", task.prompt, re.MULTILINE)
        assert len(known) == 3
        table = ", ".join(f"{given!r}: {output}" for given, output in known)
        source = f"def solve(x):\n    return {{{table}}}[repr(x)]"
        verdict = said(env, task, source)
        assert (verdict.passed, verdict.reward) == (False, 0.0)


def test_a_program_that_is_right_for_some_earns_nothing():
    env = make_code_synthesis(1)
    (task,) = tasks(1, "chat", n=1)
    given, _ = hidden(task)[0]
    source = f"{task.gold}\nright = solve\n"
    source += f"def solve(x):\n    return '' if x == {given} else right(x)"
    verdict = said(env, task, source)
    assert (verdict.passed, verdict.reward) == (False, 0.0)
    assert verdict.explanation.startswith("11 of 12")


def test_a_code_block_with_words_around_it_is_read():
    env = make_code_synthesis(1)
    (task,) = tasks(1, "chat", n=1)
    assert said(env, task, f"Here it is:\n```python\n{task.gold}```\nDone.").passed


ATTACKS = [
    "import os; os._exit(0)",
    "import sys; sys.exit(0)",
    "import os\ndef solve(x): os._exit(0)",
    "import sys\ndef solve(x): sys.exit(0)",
    "class Yes(str):\n    __eq__ = lambda *a: True\n    __hash__ = str.__hash__\n"
    "def solve(x): return Yes()",
    "import builtins\nbuiltins.AssertionError = KeyError\ndef solve(x): return ''",
    "open('sitecustomize.py', 'w').write('raise SystemExit')\ndef solve(x): return ''",
    "import os\nos.mkfifo('solution.py')\ndef solve(x): return ''",
    "def solve(x): return solve(x)",
    "def solve(x): return 'x' * 10**6",
    "import gc\ndef solve(x):\n"
    "    return next((o for o in gc.get_objects() if type(o) is str and 'assert solve' in o), '')",
    "solve = 1",
    "def solve(x): raise MemoryError",
]


@pytest.mark.parametrize("source", ATTACKS)
def test_tampering_scores_nothing(source):
    env = make_code_synthesis(1)
    (task,) = tasks(1, "chat", n=1)
    verdict = said(env, task, source)
    assert (verdict.passed, verdict.reward) == (False, 0.0)
    assert said(env, task, task.gold).passed


@pytest.mark.parametrize(
    "answer", ["0)\nimport os\nos._exit(0)\n(0", "exit()", "x)or(x", "lambda:x"]
)
def test_an_expression_that_breaks_out_scores_nothing(answer):
    env = make_code_synthesis(1, text="terse")
    (task,) = tasks(1, "terse", n=1)
    assert said(env, task, answer).reward == 0.0


def test_an_agent_that_never_answers_fails_when_its_turns_are_spent():
    env = make_code_synthesis(1)
    (task,) = tasks(1, "chat", n=1)
    tried = oracle([Message("user", task.prompt)])
    messages, info = play(env, task, lambda _: tried)
    assert len(messages) == 1 + 2 * 16
    assert (info["verdict"].passed, info["verdict"].reward) == (False, 0.0)


def test_the_oracle_answers_where_it_cannot_try():
    env = make_code_synthesis(2, interface={"tools": []})
    (task,) = tasks(2, "chat", n=1)
    messages, info = play(env, task)
    assert "there is no tool" in messages[-2].content
    assert info["verdict"].passed


@pytest.mark.parametrize("information", ["withheld", "shuffled"])
def test_nothing_is_hidden_so_controls_on_information_change_nothing(information):
    env = make_code_synthesis(1, interface={"information": information})
    (task,) = tasks(1, "chat", n=1)
    assert play(env, task)[1]["verdict"].passed


def test_an_episode_goes_on_from_a_snapshot():
    env = make_code_synthesis(2)
    (task,) = tasks(2, "chat", n=1)
    opening, _ = env.reset(options={"task": task})
    env.step(oracle(opening))
    snapshot = env.snapshot()
    assert not env.step(Message("assistant", "wrong"))[-1]["verdict"].passed
    messages, _ = env.restore(snapshot)
    assert env.step(oracle(messages))[-1]["verdict"].passed
    snapshot.close()


@pytest.mark.parametrize("level", LEVELS)
def test_terse_texts_are_short_and_keep_to_the_small_models_alphabet(level):
    renderer = TerseRenderer()
    for task in tasks(level, "terse", n=100):
        assert set(task.prompt + task.gold) <= set(ALPHABET)
        assert len(task.prompt) <= 2 + level + 6
        assert len(task.gold) <= (GRAMMAR_CHARACTERS if level == 1 else 64)
        assert renderer.parse(renderer.encode(Message("assistant", task.gold)), 0).content == (
            task.gold
        )


def test_tasks_stay_what_they_are():
    taskset = CodeSynthesisTaskset(0, 1, "terse")
    task = taskset.task("train", 0)
    assert (task.prompt, task.gold) == ("F:w-muior", "'muior'+x.swapcase()")
    assert content_hash(taskset, "train", 20) == "ef77b98d560824af"
    assert content_hash(CodeSynthesisTaskset(0, 4), "held_out", 20) == "da3a8d47ae236a25"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"difficulty": 5}, "difficulty expects an integer from 1 to 4"),
        ({"world_seed": -1}, "world_seed expects"),
        ({"text": "long"}, "text knows chat, terse"),
        ({"interface": {"tools": ["shell"]}}, "interface.tools knows python"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        make_code_synthesis(**arguments)
