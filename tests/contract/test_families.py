"""What every family promises: solvable from prompt and tools, seeded, split, with a true chance."""

import random
from itertools import product

import gymnasium
import pytest

from reachgym.agents.renderers.terse import ALPHABET, RESULT_CHARACTERS
from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import families
from reachgym.envs.suites.compose import make_compose
from reachgym.envs.taskset import check_task, content_hash
from reachgym.envs.types import SPLITS, Message

FAMILIES = {family.name: family for family in families()}
LEVELS = [(family, level) for family in FAMILIES.values() for level in family.difficulties]
IDS = [f"{family.name}-{level}" for family, level in LEVELS]
TEXTS = ("terse", "chat")
# A sandboxed execution costs tens of milliseconds.
SLOW_TASKS = 5
FREE = {"lookup", "compose"}

levels = pytest.mark.parametrize(("family", "level"), LEVELS, ids=IDS)


def made(family, level, **kwargs):
    return make(EnvRef(family.id, {"difficulty": level, **kwargs}))


def play(env, options, act):
    """The episode's messages and verdict."""
    opening, _ = env.reset(options=options)
    messages = list(opening)
    over = False
    while not over:
        action = act(tuple(messages))
        replies, _, terminated, truncated, info = env.step(action)
        messages += [action, *replies]
        over = terminated or truncated
    return messages, info["verdict"]


def tasks(env, split, n):
    size = env.taskset.size(split)
    return [env.taskset.task(split, index) for index in range(n if size is None else min(n, size))]


@levels
@pytest.mark.parametrize("text", TEXTS)
def test_the_oracle_solves_every_task_from_prompt_and_tools(family, level, text):
    env = made(family, level, text=text)
    n = 100 if family.name in FREE else SLOW_TASKS
    for task in tasks(env, "held_out", n) + tasks(env, "train", n):
        _, verdict = play(env, {"task": task}, family.oracle)
        assert verdict.passed, f"{task.prompt}: {verdict.explanation}"


@pytest.mark.parametrize("information", ["withheld", "shuffled"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_lookup_is_unsolvable_even_to_the_oracle_without_its_information(level, information):
    family = FAMILIES["lookup"]
    env = made(family, level, interface={"tools": ["search"], "information": information})
    for task in tasks(env, "train", 100):
        _, verdict = play(env, {"task": task}, family.oracle)
        assert not verdict.passed
        # A shuffled way may end at the gold name by luck.
        assert information == "shuffled" or not verdict.guess


@pytest.mark.parametrize("name", ["lookup", "arithmetic"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_gold_shows_only_once_a_tool_returned_it(name, level):
    family = FAMILIES[name]
    env = made(family, level, text="terse")
    for task in tasks(env, "held_out", 4):
        messages, _ = play(env, {"task": task}, family.oracle)
        shown = [message for message in messages if message.role != "assistant"]
        assert task.gold not in [message.content for message in shown[:-1]]
        assert family.name == "arithmetic" or task.gold not in task.prompt
        assert shown[-1].content.strip() == task.gold


@levels
def test_equal_seeds_give_equal_tasks_and_others_give_others(family, level):
    first, again, other = (made(family, level, world_seed=seed).taskset for seed in (3, 3, 4))
    for split in SPLITS:
        assert content_hash(first, split, 4) == content_hash(again, split, 4)
        assert content_hash(first, split, 4) != content_hash(other, split, 4)


@levels
def test_tasks_are_valid_and_say_what_they_are(family, level):
    env = made(family, level)
    ids = set()
    for split in SPLITS:
        for task in tasks(env, split, 5):
            check_task(task)
            ids.add(task.id)
            assert (task.split, task.family) == (split, f"{family.name}-{level}")
            assert 0 < task.chance < 0.05
    assert len(ids) >= 14


@levels
def test_splits_share_no_prompt(family, level):
    env = made(family, level)
    n = 400 if family.name in FREE else 60
    seen = {split: {task.prompt for task in tasks(env, split, n)} for split in SPLITS}
    assert not seen["train"] & (seen["validation"] | seen["held_out"])
    assert not seen["validation"] & seen["held_out"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_difficulty_out_of_range_is_refused(family):
    for level in (0, max(family.difficulties) + 1, "1", True, 1.0):
        with pytest.raises(ConfigError, match="difficulty expects an integer"):
            made(family, level)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_seed_that_is_none_is_refused(family):
    for seed in (-1, "0", None, 2**63):
        with pytest.raises(ConfigError, match="world_seed expects an integer"):
            made(family, 1, world_seed=seed)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_gymnasium_makes_it_with_its_own_defaults(family):
    env = gymnasium.make(family.id, render_mode="ansi")
    opening, _ = env.reset(seed=0)
    assert opening[0].role == "user"
    assert opening[0].content in env.render()


@levels
def test_terse_texts_keep_to_the_small_models_alphabet(family, level):
    env = made(family, level, text="terse")
    for task in tasks(env, "train", 4):
        messages, _ = play(env, {"task": task}, family.oracle)
        for message in messages:
            calls = [str(v) for call in message.tool_calls for v in call.arguments.values()]
            for written in (message.content, *calls):
                assert set(written) <= set(ALPHABET), written
            assert message.role != "tool" or len(message.content) <= RESULT_CHARACTERS


def test_a_guesser_of_one_digit_products_meets_the_chance():
    family = FAMILIES["arithmetic"]
    worlds = 150
    every = [
        task
        for seed in range(worlds)
        for split in SPLITS
        for task in tasks(made(family, 1, world_seed=seed, interface={"tools": []}), split, 45)
    ]
    rng = random.Random(0)
    solved = sum(family.guess(task.prompt, rng) == task.gold for task in every)
    assert_binomial(solved, len(every), every[0].chance)


@pytest.mark.parametrize("level", [1, 3])
def test_a_guesser_of_two_letters_meets_the_chance(level):
    family = FAMILIES["compose"]
    env = make_compose(level, letters=2)
    rng = random.Random(level)
    n = 6000
    solved = sum(
        play(env, {"split": split, "index": i}, lambda m: _guessed(family, m, rng))[1].passed
        for i, split in product(range(n // 3), SPLITS)
    )
    chance = env.task.chance
    assert chance == 26**-2
    assert_binomial(solved, n, chance)


def _guessed(family, messages, rng):
    return Message("assistant", family.guess(messages[0].content, rng))


def assert_binomial(solved, n, chance):
    """Within four standard deviations, which a fair count leaves once in sixteen thousand."""
    deviation = (n * chance * (1 - chance)) ** 0.5
    assert abs(solved - n * chance) < 4 * deviation, f"{solved} of {n} at chance {chance}"
