"""GSM8K and MATH in their published shapes."""

from __future__ import annotations

import pytest

import reachgym.envs.datasets  # noqa: F401 - registers the environments
from reachgym.envs.datasets.mathematics import make_gsm8k, make_math
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.registration import EnvRef, make

GSM8K = [
    {
        "question": "Weng earns $12 an hour for babysitting. How much for 50 minutes?",
        "answer": "Weng earns 12/60 = $<<12/60=0.2>>0.2 per minute.\n"
        "She earned 0.2 x 50 = $<<0.2*50=10>>10.\n#### 10",
    },
    {
        "question": "A house cost $80,000 and its value rose by 150%. What is the profit?",
        "answer": "The profit is 200000-130000=$<<200000-130000=70000>>70,000\n#### 70,000",
    },
]
MATH = [
    {
        "problem": "What is the sum of $\\frac{1}{2}$ and $\\frac{1}{4}$?",
        "level": "Level 1",
        "type": "Prealgebra",
        "solution": "We have $\\frac12+\\frac14=\\boxed{\\frac{3}{4}}$.",
    },
    {
        "problem": "For which $x$ is $x^2 \\le 4$?",
        "level": "Level 3",
        "type": "Algebra",
        "solution": "Not $\\boxed{1}$, but $x \\in \\boxed{[-2,2]}$.",
    },
]
MATH_500 = [
    {
        "problem": "Convert $(0,3)$ to polar coordinates.",
        "solution": "We find $\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}.$",
        "answer": "\\left( 3, \\frac{\\pi}{2} \\right)",
        "subject": "Precalculus",
        "level": 2,
        "unique_id": "test/precalculus/807.json",
    }
]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_gsm8k_passes_what_equals_the_number_after_the_hashes(write, play, suffix):
    env = make_gsm8k(held_out=write(f"test.{suffix}", GSM8K))
    task = env.taskset.task("held_out", 1)
    assert (task.gold, task.family, task.split) == ("70,000", "gsm8k", "held_out")
    assert task.prompt.startswith(GSM8K[1]["question"])
    assert "70,000" not in task.prompt
    for answer in ("#### 70000", "It is $70,000.", "so\n#### 70,000", GSM8K[1]["answer"]):
        assert play.answer(env, "held_out", 1, answer).passed, answer
    for answer in ("#### 7000", "70000\n#### 1", "I do not know.", ""):
        assert play.answer(env, "held_out", 1, answer).passed is False, answer


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_math_takes_its_gold_from_the_last_box(write, play, suffix):
    env = make_math(train=write(f"train.{suffix}", MATH))
    tasks = [env.taskset.task("train", index) for index in range(2)]
    assert [task.gold for task in tasks] == ["\\frac{3}{4}", "[-2,2]"]
    assert tasks[1].metadata == {"level": "Level 3", "type": "Algebra"}
    assert play.answer(env, "train", 0, "It is $\\boxed{0.75}$.").passed
    assert play.answer(env, "train", 0, "3/4").passed
    assert play.answer(env, "train", 1, "$\\boxed{-2 \\le x \\le 2}$").passed is False
    assert play.answer(env, "train", 1, "$\\boxed{[-2, 4/2]}$").passed


def test_math_500_brings_its_answer(write, play):
    env = make_math(held_out=write("test.jsonl", MATH_500))
    task = env.taskset.task("held_out", 0)
    assert task.gold == MATH_500[0]["answer"]
    assert task.metadata == {"level": "2", "subject": "Precalculus"}
    assert play.answer(env, "held_out", 0, "\\boxed{(3, \\pi/2)}").passed
    assert play.answer(env, "held_out", 0, "\\boxed{(3, \\pi/3)}").passed is False


@pytest.mark.parametrize(
    ("maker", "row", "said"),
    [
        (make_gsm8k, {**GSM8K[0], "answer": "10"}, "field 'answer' .*ends in '#### '"),
        (make_gsm8k, {"question": "Why?"}, "field 'answer' .*no such field"),
        (make_gsm8k, {**GSM8K[0], "question": None}, "field 'question' .*got None"),
        (make_math, {**MATH[0], "solution": "It is 3/4."}, "field 'solution' .*boxed"),
        (make_math, {**MATH[0], "problem": ""}, "field 'problem' "),
        (make_math, {**MATH_500[0], "answer": 3}, "field 'answer' .*a text, got 3"),
    ],
)
def test_malformed_rows_are_named(write, maker, row, said):
    with pytest.raises(TaskError, match=rf"rows\.jsonl, row 1: {said}"):
        maker(path=write("rows.jsonl", [row]))


def test_python_is_offered_where_it_is_asked_for(write, play):
    path = write("train.jsonl", GSM8K)
    assert make_gsm8k(train=path).tool_specs == ()
    env = make_gsm8k(train=path, interface={"tools": ["python"]})
    env.reset(options={"split": "train", "index": 0})
    assert play.call(env, "python", code="12 / 60 * 50") == "10.0"
    with pytest.raises(ConfigError, match="python"):
        make_gsm8k(train=path, interface={"tools": ["pyhton"]})


@pytest.mark.parametrize(("name", "rows"), [("GSM8K", GSM8K), ("MATH", MATH)])
def test_they_are_made_by_their_ids(write, name, rows):
    ref = EnvRef(f"reachgym/{name}-v0", {"train": write("train.jsonl", rows)})
    env = make(ref)
    opening, _ = env.reset(seed=0)
    assert opening[-1].role == "user"
    assert env.taskset.size("train") == 2
