"""The small model depends on its seed alone and travels as a plain checkpoint."""

import pytest
import torch

from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.envs.errors import ConfigError


def weights(model):
    return torch.cat([weight.flatten() for weight in model.parameters()])


def test_the_weights_depend_on_the_seed_alone():
    config = TinyConfig(hidden=16, layers=1, heads=2, mlp=16, max_positions=32)
    torch.manual_seed(1)
    first = build_tiny(config, 20, seed=5)
    drawn = torch.rand(1)
    again = build_tiny(config, 20, seed=5)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(build_tiny(config, 20, seed=6)))
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1)), "building must leave the global generator alone"


def test_the_default_size_is_that_of_the_small_study():
    model = build_tiny(TinyConfig(), 95, seed=0)
    assert sum(weight.numel() for weight in model.parameters()) == 286_272
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_it_is_saved_and_loaded_as_a_plain_checkpoint(tmp_path):
    from transformers import AutoModelForCausalLM

    model = build_tiny(TinyConfig(hidden=16, layers=1, heads=2, mlp=16), 20, seed=5)
    model.save_pretrained(tmp_path)
    assert torch.equal(weights(model), weights(AutoModelForCausalLM.from_pretrained(tmp_path)))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="hidden=16 and heads=3"):
        build_tiny(TinyConfig(hidden=16, heads=3), 20, seed=0)
