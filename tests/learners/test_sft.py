"""SFT: what it learns, and what it must leave alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reachgym.envs.errors import InputError
from reachgym.learners.losses import token_logprobs
from reachgym.learners.settings import SFTConfig
from reachgym.learners.sft import SFTLearner


def test_a_short_sequence_is_learnt_by_heart(make_model, make_sample, score):
    model, ids = make_model(), [1, 7, 3, 12, 5, 9]
    learner = SFTLearner(model, SFTConfig(learning_rate=1e-2))
    losses = [learner.update([make_sample(ids)])["loss"] for _ in range(60)]
    assert losses[0] > 2
    assert losses[-1] < 0.02
    assert score(model, ids).sum() > -0.2


def test_the_loss_is_the_mean_over_weights_and_counts_are_told(make_model, make_sample, score):
    model = make_model()
    samples = [make_sample([1, 2, 3, 4]), make_sample([5, 6, 7], prompt=2)]
    samples[0].weights[3] = 0.5
    nll = -(score(model, [1, 2, 3, 4]) * samples[0].weights).sum() - score(model, [5, 6, 7])[2]
    metrics = SFTLearner(model, SFTConfig()).update(samples)
    assert metrics == {"loss": pytest.approx(nll / 3.5, rel=1e-5), "tokens": 7, "steps": 1}


def test_every_minibatch_is_a_step(make_model, make_sample):
    samples = [make_sample([1, 2, 3])] * 5
    assert SFTLearner(make_model(), SFTConfig(minibatch=2)).update(samples)["steps"] == 3


@pytest.mark.parametrize("nothing", [[], [0], [1]])
def test_samples_without_a_weight_to_learn_from_are_refused(
    make_model, make_sample, snapshot, nothing
):
    # The first token has nothing before it that could predict it.
    samples = [make_sample([1, 2, 3], prompt=3)] * len(nothing)
    for sample, weight in zip(samples, nothing, strict=True):
        sample.weights[0] = weight
    model = make_model()
    before = snapshot(model)
    with pytest.raises(InputError, match="weights above 0"):
        SFTLearner(model, SFTConfig()).update(samples)
    assert snapshot(model) == before


def test_what_stands_after_the_last_weight_teaches_nothing(make_model, make_sample, snapshot):
    def trained(last):
        model = make_model()
        sample = make_sample([1, 2, 3, last])
        sample.weights[3] = 0
        SFTLearner(model, SFTConfig()).update([sample])
        return snapshot(model)

    assert trained(5) == trained(11)


def test_cutting_a_minibatch_by_length_does_not_change_its_gradient(
    make_model, make_sample, watch_gradient
):
    rng = np.random.default_rng(0)
    samples = [make_sample(rng.integers(1, 16, size=n)) for n in (3, 20, 4, 17, 5, 11)]
    samples = [replace(s, weights=s.weights * rng.random(len(s.ids), np.float32)) for s in samples]
    model = make_model()
    gradient = watch_gradient(model)
    SFTLearner(model, SFTConfig(grad_clip=1e9)).update(samples)

    reference = make_model()
    loss = weight = 0.0
    for sample in samples:
        logprobs = token_logprobs(reference, torch.tensor(sample.ids[None], dtype=torch.long))
        loss = loss - (logprobs * torch.tensor(sample.weights[None, 1:])).sum()
        weight += float(sample.weights[1:].sum())
    (loss / weight).backward()
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(gradient[name], parameter.grad, atol=1e-6, rtol=0)


def test_updates_repeat_to_the_last_bit_and_follow_the_seed(make_model, make_sample, snapshot):
    def trained(seed):
        model = make_model()
        learner = SFTLearner(model, SFTConfig(minibatch=3), seed)
        samples = [make_sample([1, 2 + n, 3]) for n in range(8)]
        metrics = [learner.update(samples) for _ in range(2)]
        return snapshot(model), metrics

    (one, told), (same, told_again), (other, _) = trained(0), trained(0), trained(1)
    assert one == same
    assert told == told_again
    assert one != other
