"""Rows of SkyRL and verl: their shapes, their scoring, and those this project writes."""

from __future__ import annotations

import pytest

from reachgym.envs.datasets.trainer_rows import make_rows
from reachgym.envs.errors import ConfigError, TaskError

SKYRL = {
    "data_source": "openai/gsm8k",
    "prompt": [{"role": "user", "content": 'How much is 35 and 37? Answer after "####".'}],
    "env_class": "gsm8k",
    "reward_spec": {"method": "rule", "ground_truth": "72"},
    "extra_info": {"split": "train", "index": 0, "answer": "35+37=72\n#### 72", "question": "..."},
}
VERL = {
    "data_source": "DigitalLearningGmbH/MATH-lighteval",
    "prompt": [{"role": "user", "content": "What is half of one? Put it in \\boxed{}."}],
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "\\frac{1}{2}"},
    "extra_info": {"split": "test", "index": 3},
}
SEARCH = {
    "data_source": "searchR1_hotpotqa",
    "prompt": [{"role": "user", "content": "Who was the first?"}],
    "env_class": "search",
    "reward_spec": {"method": "rule", "ground_truth": {"target": ["Ada Norén", "A. Norén"]}},
}
MULTIPLY = {
    "data_source": "synthetic_multiply",
    "prompt": [
        {"role": "system", "content": "Put your final answer in \\boxed{answer}."},
        {"role": "user", "content": "12 * 12"},
    ],
    "env_class": "multiply",
    "reward_spec": {"method": "rule", "ground_truth": "144"},
    "extra_info": {"num_digits": 2, "split": "train"},
}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        (SKYRL, "35 + 37 is 72.\n#### 72", "#### 73"),
        (VERL, "\\boxed{0.5}", "\\boxed{2}"),
        (SEARCH, "a norén", "Bo Quist"),
    ],
)
def test_rows_are_scored_as_their_source_is(write, play, suffix, row, right, wrong):
    env = make_rows(train=write(f"train.{suffix}", [row]))
    task = env.taskset.task("train", 0)
    assert task.prompt == row["prompt"][0]["content"]
    assert play.answer(env, "train", 0, right).passed
    assert play.answer(env, "train", 0, wrong).passed is False
    assert play.answer(env, "train", 0, task.gold).passed


def test_the_system_message_opens_the_conversation(write, play):
    env = make_rows(train=write("train.parquet", [MULTIPLY]), answers="math")
    opening, _ = env.reset(seed=0)
    assert [(message.role, message.content) for message in opening] == [
        (entry["role"], entry["content"]) for entry in MULTIPLY["prompt"]
    ]
    assert play.answer(env, "train", 0, "\\boxed{144}").passed


def test_rows_with_several_system_messages_are_refused(write):
    with pytest.raises(TaskError, match=r"row 2: field 'prompt' .*an environment has one"):
        make_rows(train=write("train.jsonl", [MULTIPLY, SKYRL]), answers="math")


def test_a_source_whose_scoring_is_not_known_wants_it_told(write, play):
    path = write("train.jsonl", [{**SKYRL, "data_source": "mine", "env_class": "own"}])
    with pytest.raises(TaskError, match=r"row 1: field 'data_source' .*give answers=.*'own mine'"):
        make_rows(train=path)
    with pytest.raises(ConfigError, match="answers expects one of exact, gsm8k, math, words"):
        make_rows(train=path, answers="regex")
    env = make_rows(train=path, answers="exact")
    assert play.answer(env, "train", 0, " 72 ").passed
    assert play.answer(env, "train", 0, "72.0").passed is False


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": "How much?"}, "field 'prompt'"),
        ({"prompt": []}, "field 'prompt'"),
        (
            {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            r"field 'prompt' .*the roles \['user', 'assistant'\]",
        ),
        ({"reward_spec": None}, "field 'reward_model'"),
        ({"reward_spec": {"method": "rule"}}, r"field 'reward_spec\.ground_truth'"),
        ({"reward_spec": {"ground_truth": ""}}, r"field 'reward_spec\.ground_truth'"),
        ({"reward_spec": {"ground_truth": []}}, r"field 'reward_spec\.ground_truth'"),
        ({"reward_spec": {"ground_truth": True}}, r"field 'reward_spec\.ground_truth'"),
    ],
)
def test_a_malformed_field_is_named(write, change, said):
    with pytest.raises(TaskError, match=rf"rows\.jsonl, row 1: {said}"):
        make_rows(path=write("rows.jsonl", [{**SKYRL, **change}]))


def test_the_first_row_that_is_none_is_left_out_where_that_is_asked(write):
    path = write("train.jsonl", [{**SKYRL, "prompt": None}, MULTIPLY])
    env = make_rows(train=path, answers="math", unusable="drop")
    assert env.taskset.size("train") == 1
    assert env.reset(seed=0)[0][0].role == "system"


def test_a_number_may_be_the_ground_truth(write, play):
    row = {**SKYRL, "reward_spec": {"ground_truth": 72}}
    assert play.answer(make_rows(train=write("train.jsonl", [row])), "train", 0, "72").passed
