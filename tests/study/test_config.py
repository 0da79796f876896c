"""The configuration: what loads, and that every mistake is one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.study.config.loading import load_config

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_quickstart_loads_with_six_arms_and_two_seeds():
    config = load_config(QUICKSTART)
    assert len(config.seeds) == 2
    assert set(config.arms) == {
        "sft_answers",
        "sft_traces",
        "rft",
        "rl_no_tools",
        "rl_withheld",
        "rl_tools",
    }
    assert config.measurement.headline in config.measurement.sample_budgets


def test_a_value_can_be_set_by_its_dotted_key():
    config = load_config(QUICKSTART, ["world.seed=7", "arms.rft.learner.learning_rate=0.25"])
    assert config.world.seed == 7
    assert config.arms["rft"].learner.learning_rate == 0.25


def test_the_hash_changes_with_what_results_depend_on_and_not_with_resources():
    plain = load_config(QUICKSTART).hash()
    assert load_config(QUICKSTART, ["resources.lanes=1"]).hash() == plain
    assert load_config(QUICKSTART, ["world.seed=7"]).hash() != plain


def test_an_unknown_key_is_named_with_the_key_that_was_meant():
    text = refusal(QUICKSTART, "measurement.headlin=64")
    assert "measurement.headlin" in text
    assert "did you mean 'headline'?" in text


def test_an_unknown_key_of_a_learner_is_named_with_its_place():
    text = refusal(QUICKSTART, "arms.rl_tools.learner.learning_rat=0.1")
    assert "learning_rat'" in text
    assert "did you mean 'learning_rate'?" in text


def test_an_unknown_key_that_resembles_nothing_is_to_be_removed():
    assert "unknown key 'qqqqqq'; remove it" in refusal(QUICKSTART, "qqqqqq=1")


def test_a_value_of_the_wrong_type_is_shown():
    text = refusal(QUICKSTART, "measurement.tasks=many")
    assert "'measurement.tasks'" in text
    assert "got 'many'" in text


def test_a_missing_key_is_named(small_config):
    small_config.write_text(small_config.read_text().replace("title: Small\n", ""))
    assert "'title' is missing; add it" in refusal(small_config)


def test_several_mistakes_are_told_at_once():
    text = refusal(QUICKSTART, "measurement.tasks=many", "qqqqqq=1")
    assert "measurement.tasks" in text
    assert "qqqqqq" in text


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("arms.rft.interface=tool", "arms.rft.interface is 'tool'"),
        ("measurement.interface=tool", "measurement.interface is 'tool'"),
        ("measurement.bare_interface=bare", "measurement.bare_interface is 'bare'"),
    ],
)
def test_an_unknown_interface_is_named_with_those_known(override, place):
    text = refusal(QUICKSTART, override)
    assert place in text
    assert "not one of tools, withheld, no_tools" in text


def test_an_unknown_family_of_a_gate_is_named_with_those_known(small_config):
    gate = "gates.g={family: lookup-9, interface: tools, low: 0, high: 1}"
    text = refusal(small_config, gate)
    assert "gates.g.family is 'lookup-9', which is not one of lookup-1, compose-2" in text


def test_a_headline_that_is_no_sample_budget_is_refused():
    assert "headline 3 is not one of sample_budgets" in refusal(
        QUICKSTART, "measurement.headline=3"
    )


def test_an_arm_called_base_is_refused(small_config):
    text = small_config.read_text().replace("  sft:\n", "  base:\n")
    small_config.write_text(text)
    assert "an arm may not be called 'base'" in refusal(small_config)


def test_pretraining_beside_a_checkpoint_is_refused():
    assert "not both" in refusal(QUICKSTART, "model.checkpoint=some/folder")


def test_a_study_in_which_nothing_is_trained_on_is_refused(small_config):
    text = small_config.read_text().replace("train: true", "train: false")
    small_config.write_text(text)
    assert "no family has train: true" in refusal(small_config)


def test_an_unknown_kind_of_arm_is_named_with_those_known():
    text = refusal(QUICKSTART, "arms.rft.kind=ppo")
    assert "ppo" in text
    assert "'sft', 'yoked', 'rft', 'rl'" in text


@pytest.mark.parametrize("override", ["world.seed", "=7"])
def test_a_set_without_key_and_value_is_refused(override):
    assert f"--set expects key=value, e.g. world.seed=7; got '{override}'" in refusal(
        QUICKSTART, override
    )


def test_a_set_below_a_value_is_refused():
    assert "'title' is a value, not a section" in refusal(QUICKSTART, "title.x=1")


def test_a_set_whose_value_is_no_yaml_is_refused():
    assert "--set world.seed" in refusal(QUICKSTART, "world.seed=[1")


def test_text_that_is_no_yaml_is_refused(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("title: [1\nseeds: ]")
    assert "is not valid YAML or TOML" in refusal(path)


def test_yaml_that_is_no_mapping_is_refused(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    assert "expected a mapping of keys, got list" in refusal(path)


def test_a_missing_file_is_named(tmp_path):
    text = refusal(tmp_path / "absent.yaml")
    assert "absent.yaml" in text
    assert "No such file" in text


TOML = """
title = "Small"
question = "Is TOML read?"
seeds = [0]
[pretraining]
steps = 5
batch = 4
learner = {minibatch = 4}
[interfaces.tools]
description = "both"
tools = ["search", "python"]
[interfaces.no_tools]
description = "none"
[families.lookup-1]
env = "reachgym/Lookup-v0"
kwargs = {difficulty = 1}
description = "one fact"
train = true
base_draws = 96
arm_draws = 96
[arms]
"""


def test_toml_is_read_as_well(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    config = load_config(path, ["seeds=[0, 1]"])
    assert config.seeds == [0, 1]
    assert config.families["lookup-1"].kwargs == {"difficulty": 1}


def test_broken_toml_is_refused(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("title = ")
    assert "is not valid YAML or TOML" in refusal(path)
