"""Settings that cannot work are refused where they are written."""

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("config", [SFTConfig, RFTConfig, RLConfig])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", NAN),
        ("learning_rate", INFINITE),
        ("grad_clip", -1.0),
        ("grad_clip", NAN),
        ("minibatch", 0),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("weight_decay", -0.1),
        ("weight_decay", NAN),
    ],
)
def test_an_optimiser_setting_out_of_range_is_refused_by_its_name(config, name, value):
    with pytest.raises(ConfigError, match=f"{name} must.*{value}"):
        config(**{name: value})


@pytest.mark.parametrize(
    ("config", "given", "told"),
    [
        (RLConfig, {"epochs": 0}, "epochs must be 1 or more, got 0"),
        (RLConfig, {"clip_low": 1.0}, "clip_low must lie in"),
        (RLConfig, {"clip_low": NAN}, "clip_low must lie in"),
        (RLConfig, {"clip_high": 0.0}, "clip_high above 0"),
        (RLConfig, {"clip_high": NAN}, "clip_high above 0"),
        (RLConfig, {"advantage": "best"}, "advantage must be one of group_normalised"),
        (RFTConfig, {"max_per_group": -1}, "max_per_group must be 0 or more"),
        (RFTConfig, {"success_reward": NAN}, "success_reward must be a finite number, got nan"),
        (SFTConfig, {"schedule": "linear"}, "schedule must be one of constant, cosine"),
        (SFTConfig, {"warmup_steps": -1}, "warmup_steps must be 0 or more"),
        (SFTConfig, {"schedule": "cosine"}, "total_steps larger than warmup_steps"),
        (
            SFTConfig,
            {"schedule": "cosine", "total_steps": 5, "warmup_steps": 5},
            "total_steps larger than warmup_steps; got 5 and 5",
        ),
    ],
)
def test_a_setting_of_one_learner_out_of_range_is_refused(config, given, told):
    with pytest.raises(ConfigError, match=told):
        config(**given)


def test_the_edges_of_the_ranges_are_taken():
    SFTConfig(schedule="cosine", total_steps=1, beta1=0.0, weight_decay=0.0, minibatch=1)
    RFTConfig(max_per_group=0, success_reward=0.0, grad_clip=INFINITE)
    RLConfig(epochs=1, clip_low=0.99, clip_high=5.0)
