"""Compose: operations in order, texts of one split only, uniform results."""

from collections import Counter
from functools import partial

import pytest

from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.suites import compose
from reachgym.envs.suites.compose import apply
from reachgym.envs.types import SPLITS

make_compose = partial(compose.make_compose, text="terse")


@pytest.mark.parametrize(
    ("operations", "result"),
    [("r", "dcba"), ("s", "dbca"), ("l", "bcda"), ("n", "bcde"), ("rs", "acbd"), ("sr", "acbd")],
)
def test_operations_do_what_they_say_from_left_to_right(operations, result):
    assert apply("abcd", operations) == result


def test_order_matters_and_letters_wrap_around():
    assert apply("abcd", "ls") == "acdb"
    assert apply("abcd", "sl") == "bcad"
    assert apply("xyzz", "n") == "yzaa"


def test_a_text_belongs_to_one_split():
    taskset = make_compose(2, letters=2).taskset
    texts = {s: {taskset.task(s, i).prompt[2:4] for i in range(1500)} for s in SPLITS}
    assert all(texts.values())
    assert not texts["train"] & (texts["validation"] | texts["held_out"])
    assert not texts["validation"] & texts["held_out"]


@pytest.mark.parametrize("difficulty", [1, 2, 3, 4])
def test_no_chain_of_operations_undoes_itself(difficulty):
    taskset = make_compose(difficulty).taskset
    chains = Counter(taskset.task("train", i).prompt[8:] for i in range(2000))
    assert {len(chain) for chain in chains} == {difficulty}
    assert all(apply("abcde", chain) != "abcde" for chain in chains)
    assert {letter for chain in chains for letter in chain} == set("rsln")


def test_the_chat_text_says_the_same_task_in_sentences():
    terse, chat = make_compose(3).taskset, compose.make_compose(3).taskset
    for index in range(50):
        short, long = terse.task("train", index), chat.task("train", index)
        assert (short.id, short.gold) == (long.id, long.gold)
        assert f"`{short.prompt[2:7]}`" in long.prompt
        assert len(long.prompt.splitlines()) == 5


def test_results_are_spread_over_all_texts():
    taskset = make_compose(3, letters=2).taskset
    golds = Counter(taskset.task("train", i).gold for i in range(6760))
    assert len(golds) > 500
    assert max(golds.values()) < 35


def test_a_split_has_no_end_but_a_beginning():
    taskset = make_compose().taskset
    assert taskset.size("train") is None
    assert taskset.task("train", 2**31 - 1).gold
    with pytest.raises(TaskError):
        taskset.task("train", -1)


@pytest.mark.parametrize("letters", [1, 9, "4"])
def test_text_lengths_out_of_range_are_refused(letters):
    with pytest.raises(ConfigError, match="letters"):
        make_compose(letters=letters)
