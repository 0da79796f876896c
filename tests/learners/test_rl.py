"""RL: what an update changes, and what it must leave alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reachgym.envs.errors import InputError
from reachgym.learners.losses import clipped_policy_sum, token_logprobs
from reachgym.learners.rl import RLLearner
from reachgym.learners.settings import RLConfig

GOOD, BAD = [1, 2, 3, 4], [1, 2, 8, 9]


@pytest.fixture
def attempts(make_sample):
    """One success and one failure at the same task, as `model` would have sampled them."""

    def make(model, **fields):
        return [
            make_sample(GOOD, prompt=2, model=model, reward=1.0, group="a", **fields),
            make_sample(BAD, prompt=2, model=model, reward=0.0, group="a", **fields),
        ]

    return make


@pytest.mark.parametrize("advantage", ["group_normalised", "leave_one_out"])
def test_an_update_raises_the_rewarded_sequence_and_lowers_the_other(
    make_model, attempts, score, advantage
):
    model = make_model()
    before = [score(model, ids)[2:].sum() for ids in (GOOD, BAD)]
    RLLearner(model, RLConfig(advantage=advantage)).update(attempts(model))
    after = [score(model, ids)[2:].sum() for ids in (GOOD, BAD)]
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_the_metrics_of_a_first_step_are_those_of_the_policy_itself(make_model, attempts):
    model = make_model()
    equal = [replace(sample, group="b", reward=1.0) for sample in attempts(model)]
    entropy = -np.mean([sample.logprobs[2:] for sample in attempts(model)])
    metrics = RLLearner(model, RLConfig()).update(equal + attempts(model))
    assert metrics == {
        "loss": pytest.approx(0, abs=1e-6),
        "clip_fraction": 0,
        "kl": pytest.approx(0, abs=1e-6),
        "largest_ratio": pytest.approx(1),
        "tokens": 8,
        "steps": 1,
        "informative": 0.5,
        "reward": 0.75,
        "entropy": pytest.approx(entropy),
    }


def test_epochs_and_minibatches_make_the_steps(make_model, attempts):
    model = make_model()
    metrics = RLLearner(model, RLConfig(epochs=3, minibatch=1)).update(attempts(model))
    assert metrics["steps"] == 6


def test_where_all_groups_are_equal_no_step_is_taken(make_model, attempts, snapshot):
    model = make_model()
    samples = [replace(sample, reward=1.0) for sample in attempts(model)]
    before = snapshot(model)
    metrics = RLLearner(model, RLConfig(weight_decay=0.1)).update(samples)
    assert snapshot(model) == before
    assert (metrics["steps"], metrics["informative"], metrics["reward"]) == (0, 0, 1)


def test_no_samples_make_no_step(make_model, snapshot):
    model = make_model()
    before = snapshot(model)
    assert RLLearner(model, RLConfig()).update([])["steps"] == 0
    assert snapshot(model) == before


def test_equal_groups_have_no_influence_beside_others(make_model, attempts, snapshot):
    with_equal, without = make_model(), make_model()
    equal = [replace(sample, group="b", reward=1.0) for sample in attempts(without)]
    RLLearner(with_equal, RLConfig()).update(equal + attempts(with_equal))
    RLLearner(without, RLConfig()).update(attempts(without))
    assert snapshot(with_equal) == snapshot(without)


def test_samples_without_logprobs_are_refused(make_model, attempts):
    model = make_model()
    good, bad = attempts(model)
    with pytest.raises(InputError, match="log-probabilities"):
        RLLearner(model, RLConfig()).update([good, replace(bad, logprobs=None)])


def test_logprobs_where_the_environment_wrote_have_exactly_no_influence(
    make_model, attempts, snapshot
):
    clean, dirty = make_model(), make_model()
    RLLearner(clean, RLConfig(epochs=3)).update(attempts(clean))
    noisy = [
        replace(sample, logprobs=np.where(sample.weights > 0, sample.logprobs, -1e4))
        for sample in attempts(dirty)
    ]
    metrics = RLLearner(dirty, RLConfig(epochs=3)).update(noisy)
    assert snapshot(dirty) == snapshot(clean)
    assert metrics["largest_ratio"] < 10


def test_what_the_environment_wrote_after_the_last_sampled_token_teaches_nothing(
    make_model, attempts, snapshot
):
    def trained(last):
        model = make_model()
        samples = [
            replace(
                sample,
                ids=np.append(sample.ids, np.int32(last)),
                weights=np.append(sample.weights, np.float32(0)),
                logprobs=np.append(sample.logprobs, np.float32(0)),
            )
            for sample in attempts(model)
        ]
        RLLearner(model, RLConfig(epochs=2)).update(samples)
        return snapshot(model)

    assert trained(5) == trained(11)


def test_cutting_a_minibatch_by_length_does_not_change_its_gradient(
    make_model, make_sample, watch_gradient
):
    rng = np.random.default_rng(0)
    model = make_model()
    samples = [
        make_sample(
            rng.integers(1, 16, size=length), model=model, reward=float(n % 2), group=str(n // 2)
        )
        for n, length in enumerate([3, 20, 4, 17, 5, 11])
    ]
    gradient = watch_gradient(model)
    RLLearner(model, RLConfig(advantage="leave_one_out", grad_clip=1e9)).update(samples)

    reference = make_model()
    loss = weight = 0.0
    for sample in samples:
        advantage = 1.0 if sample.reward else -1.0
        policy = clipped_policy_sum(
            token_logprobs(reference, torch.tensor(sample.ids[None], dtype=torch.long)),
            torch.tensor(sample.logprobs[None, 1:]),
            torch.tensor([advantage]),
            torch.tensor(sample.weights[None, 1:]),
            0.2,
            0.28,
        )
        loss = loss + policy.loss
        weight += float(sample.weights[1:].sum())
    (loss / weight).backward()
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(gradient[name], parameter.grad, atol=1e-6, rtol=0)


def test_a_policy_far_from_the_one_that_sampled_is_clipped(make_model, attempts, watch_gradient):
    model = make_model()
    good, bad = attempts(model)
    # As if the success had become ten times likelier and the failure ten times less so.
    far = [
        replace(good, logprobs=good.logprobs - np.log(10) * good.weights),
        replace(bad, logprobs=bad.logprobs + np.log(10) * bad.weights),
    ]
    gradient = watch_gradient(model)
    metrics = RLLearner(model, RLConfig()).update(far)
    assert metrics["clip_fraction"] == 1
    assert metrics["largest_ratio"] == pytest.approx(10, rel=1e-4)
    assert all(not value.any() for value in gradient.values())


def test_updates_repeat_to_the_last_bit_and_follow_the_seed(make_model, make_sample, snapshot):
    def trained(seed):
        model = make_model()
        samples = [
            make_sample([1, 2 + n, 3, 4], model=model, reward=float(n % 2), group=str(n // 2))
            for n in range(8)
        ]
        learner = RLLearner(model, RLConfig(minibatch=3, epochs=2), seed)
        metrics = [learner.update(samples) for _ in range(2)]
        return snapshot(model), metrics

    (one, told), (same, told_again), (other, _) = trained(0), trained(0), trained(1)
    assert one == same
    assert told == told_again
    assert one != other


def test_an_attempt_that_sampled_nothing_counts_for_its_group_only(make_model, attempts, snapshot):
    model = make_model()
    good, bad = attempts(model)
    nothing = [replace(s, weights=np.zeros(4, np.float32)) for s in (good, bad)]
    before = snapshot(model)
    metrics = RLLearner(model, RLConfig(weight_decay=0.1)).update(nothing)
    assert (metrics["steps"], metrics["informative"], metrics["entropy"]) == (0, 1, 0)
    assert snapshot(model) == before
    assert RLLearner(model, RLConfig()).update([good, nothing[1]])["tokens"] == 4


def test_a_reward_that_is_no_number_is_refused(make_model, attempts):
    model = make_model()
    good, bad = attempts(model)
    with pytest.raises(InputError, match="rewards that are finite"):
        RLLearner(model, RLConfig()).update([good, replace(bad, reward=float("nan"))])
