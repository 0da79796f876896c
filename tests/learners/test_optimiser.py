"""The optimiser: its schedule, its clip, and what happens when a gradient is not finite."""

import math

import pytest
import torch

from reachgym.envs.errors import DivergedError
from reachgym.learners.optimiser import Optimiser
from reachgym.learners.settings import RLConfig, SFTConfig


@pytest.fixture
def moves(make_model):
    """How far each step moves a weight under a constant gradient: AdamW's rate, exactly."""

    def moves(config, steps: int) -> list[float]:
        model = make_model()
        weight = model.model.norm.weight
        optimiser = Optimiser(model, config)
        moved = []
        for _ in range(steps):
            before = weight.detach().clone()
            weight.grad = torch.full_like(weight, 0.1)
            optimiser.step()
            moved.append(float((before - weight.detach()).mean()))
        return moved

    return moves


def test_without_a_schedule_every_step_has_the_rate(moves):
    assert moves(RLConfig(learning_rate=1e-2), 4) == pytest.approx([1e-2] * 4, rel=1e-3)


def test_the_rate_warms_up_in_equal_parts(moves):
    config = SFTConfig(learning_rate=1e-2, weight_decay=0, warmup_steps=4)
    expected = [0.25e-2, 0.5e-2, 0.75e-2, 1e-2, 1e-2]
    assert moves(config, 5) == pytest.approx(expected, rel=1e-3)


def test_the_cosine_goes_from_the_peak_to_a_thirtieth_and_stays(moves):
    config = SFTConfig(learning_rate=1e-2, weight_decay=0, schedule="cosine", total_steps=4)
    cosine = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in (0, 1, 2, 3, 4, 4)]
    expected = [1e-2 * (1 / 30 + 29 / 30 * part) for part in cosine]
    assert moves(config, 6) == pytest.approx(expected, rel=1e-3)


def test_a_long_gradient_is_cut_to_the_clip_and_told_as_it_was(make_model):
    model = make_model()
    weight = model.model.norm.weight
    weight.grad = torch.zeros_like(weight)
    weight.grad[0] = 3.0
    weight.grad[1] = -4.0
    cut = weight.grad
    optimiser = Optimiser(model, RLConfig(grad_clip=0.5))
    assert optimiser.step() == pytest.approx(5.0)
    assert cut[:2].tolist() == pytest.approx([0.3, -0.4], rel=1e-3)
    assert weight.grad is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_leaves_the_weights_and_is_forgotten(
    make_model, snapshot, value
):
    model = make_model()
    before = snapshot(model)
    optimiser = Optimiser(model, RLConfig(weight_decay=0.1))
    weight = model.model.norm.weight
    weight.grad = torch.full_like(weight, value)
    with pytest.raises(DivergedError, match="learning_rate"):
        optimiser.step()
    assert snapshot(model) == before
    assert weight.grad is None
