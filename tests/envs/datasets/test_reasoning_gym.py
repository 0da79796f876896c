"""reasoning-gym's data sets: splits, scores, determinism, and answers that are programs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reachgym.envs.datasets.gold import validate_gold
from reachgym.envs.datasets.reasoning_gym import final_answer, make_reasoning_gym
from reachgym.envs.errors import ConfigError, TaskError
from reachgym.envs.taskset import content_hash
from reachgym.envs.types import SPLITS

# One that compares texts, one whose scorer evaluates the answer, one that has it parsed by sympy.
SETS = ["leg_counting", "spiral_matrix", "countdown"]


@pytest.mark.parametrize("dataset", SETS)
def test_gold_passes_by_the_data_sets_own_score(dataset):
    report = validate_gold(make_reasoning_gym(dataset), 3)
    assert (report.checked, report.failures) == (9, ())


def test_the_reward_is_the_score_and_only_one_passes(play):
    env = make_reasoning_gym("string_insertion")
    gold = env.taskset.task("train", 0).gold
    for answer, reward in [
        (gold, 1),
        (f"I think it is\n<answer>{gold}</answer>", 1),
        (f"<answer>{gold}</answer> no, <answer>x</answer>", 0),
        (str(list(gold)), 0.1),
    ]:
        verdict = play.answer(env, "train", 0, answer)
        assert (verdict.reward, verdict.passed) == (reward, reward == 1), answer


def test_the_last_answer_between_tags_counts():
    assert final_answer("<answer> 1 </answer> or <answer>\n2</answer>") == "2"
    assert final_answer(" 3\n") == "3"


def test_splits_share_no_question_and_no_seed():
    # So few different questions that seeds alone would give some to two splits.
    config = {"min_animals": 1, "max_animals": 1, "max_instances": 3}
    sets = [make_reasoning_gym("leg_counting", seed, config=config).taskset for seed in (0, 1)]
    tasks = [t.task(split, index) for t in sets for split in SPLITS for index in range(20)]
    for value in (lambda task: task.prompt, lambda task: task.metadata["seed"] // 2**28):
        of = [{value(task) for task in tasks if task.split == split} for split in SPLITS]
        assert sum(map(len, of)) == len(set.union(*of))


def test_equal_seeds_give_equal_tasks_and_others_others():
    first, again, other = (
        make_reasoning_gym("family_relationships", seed=seed).taskset for seed in (0, 0, 1)
    )
    assert content_hash(first, "train", 5) == content_hash(again, "train", 5)
    assert content_hash(first, "train", 5) != content_hash(other, "train", 5)


def run(program):
    """What a program prints in an interpreter of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_tasks_are_the_same_in_another_process():
    program = (
        "from reachgym.envs.datasets.reasoning_gym import make_reasoning_gym\n"
        "from reachgym.envs.taskset import content_hash\n"
        "print(content_hash(make_reasoning_gym('zebra_puzzles').taskset, 'train', 3))"
    )
    taskset = make_reasoning_gym("zebra_puzzles").taskset
    assert run(program).strip() == content_hash(taskset, "train", 3)


def test_config_and_size_are_taken():
    config = {"min_animals": 1, "max_animals": 1}
    taskset = make_reasoning_gym("leg_counting", size=3, config=config).taskset
    assert [taskset.size(split) for split in SPLITS] == [3, 3, 3]
    for index in range(3):
        animals = taskset.task("train", index).prompt.partition("have")[2].partition("?")[0]
        assert "," not in animals
    with pytest.raises(TaskError, match="from 0 to 2, got 3"):
        taskset.task("train", 3)


PROGRAMS = [
    "open('{path}', 'w')",
    "__import__('os').system('touch {path}')",
    "().__class__.__base__.__subclasses__()",
    "(lambda: exit())()",
    "[c for c in eval('1')]",
    "exec('x = 1')",
    "S('__import__(\"os\")._exit(0)')",
]


@pytest.mark.parametrize("dataset", ["spiral_matrix", "countdown"])
def test_answers_that_are_programs_earn_nothing(play, tmp_path, dataset):
    env = make_reasoning_gym(dataset)
    for program in PROGRAMS:
        verdict = play.answer(env, "train", 0, program.format(path=tmp_path / "made"))
        assert verdict.passed is False
        assert verdict.reward < 0.1
    assert not (tmp_path / "made").exists()


def test_an_answer_cannot_write_its_own_score(play):
    env = make_reasoning_gym("spiral_matrix")
    for descriptor in range(3, 16):
        forged = f"[__import__('os').write({descriptor}, b'{{\"value\": 1.0}}\\n')]"
        assert play.answer(env, "train", 0, forged).reward < 0.1


def test_an_answer_that_computes_without_end_scores_nothing(play):
    verdict = play.answer(make_reasoning_gym("countdown"), "train", 0, "9**9**9**9")
    assert (verdict.reward, verdict.passed) == (0, False)
    assert "too long" in verdict.explanation


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dataset": "leg_countin"}, "did you mean 'leg_counting'"),
        ({"dataset": "leg_counting", "config": {"legs": 3}}, "cannot be made with .*legs"),
        ({"dataset": "leg_counting", "config": {"max_animals": -1}}, "max_animals"),
        ({"dataset": "leg_counting", "config": {"seed": 1}}, "seed is no part of config"),
        ({"dataset": "leg_counting", "config": 3}, "config expects"),
        ({"dataset": "leg_counting", "seed": -1}, "seed expects an integer"),
        ({"dataset": "leg_counting", "size": 0}, "size expects an integer"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        make_reasoning_gym(**arguments)


def test_without_the_extra_it_says_what_to_install():
    program = (
        "import sys\n"
        "sys.modules['reasoning_gym'] = None\n"
        "from reachgym.envs.datasets.reasoning_gym import make_reasoning_gym\n"
        "from reachgym.envs.errors import ConfigError\n"
        "try: make_reasoning_gym('leg_counting')\n"
        "except ConfigError as error: print(error)\n"
    )
    assert "pip install 'reachgym[reasoning-gym]'" in run(program)
