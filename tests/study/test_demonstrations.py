"""What SFT arms are shown: every task's trace, in the order of the tasks."""

from __future__ import annotations

import numpy as np
import pytest

from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.envs.errors import ConfigError
from reachgym.envs.seeding import derive_seed
from reachgym.study.config.loading import load_config
from reachgym.study.demonstrations import demonstrations
from reachgym.study.families import Families

ARITHMETIC = """
  arithmetic-3:
    env: reachgym/Arithmetic-v0
    kwargs: {difficulty: 3, text: terse}
    description: a product
    train: true
    base_draws: 4
    arm_draws: 4
"""


def test_traces_stand_in_the_order_of_their_tasks_whichever_tool_was_quicker(small_config):
    small_config.write_text(
        small_config.read_text()
        .replace("\narms:", ARITHMETIC + "arms:", 1)
        .replace("demonstrations: 8", "demonstrations: 48")
    )
    config = load_config(small_config)
    families, renderer = Families(config), TerseRenderer()
    shown = demonstrations(config, families, config.arms["sft"], 0, renderer)
    asked = [
        task.prompt
        for family in config.training_families()
        for task in families.sample(
            family, 48, np.random.default_rng(derive_seed("demonstrations", family, 0))
        )
    ]
    # The first id begins the document.
    texts = [renderer.decode(sample.ids[1:].tolist()) for sample in shown]
    assert [text.split("\n")[0] for text in texts] == asked


def test_families_that_the_interface_does_not_let_solve_are_left_out(small_config):
    config = load_config(
        small_config, ["interfaces.tools.information=withheld", "arms.sft.demonstrations=3"]
    )
    shown = demonstrations(config, Families(config), config.arms["sft"], 0, TerseRenderer())
    assert len(shown) == 3
    assert all(TerseRenderer().decode(sample.ids[1:].tolist())[0] == "C" for sample in shown)


def test_an_interface_that_lets_nothing_be_solved_gives_no_traces(small_config):
    config = load_config(
        small_config,
        ["interfaces.tools.information=withheld", "families.compose-2.train=false"],
    )
    with pytest.raises(ConfigError, match="lets the oracle solve no training family"):
        demonstrations(config, Families(config), config.arms["sft"], 0, TerseRenderer())
