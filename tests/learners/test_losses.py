"""The losses against values worked out by hand."""

import math

import pytest
import torch

from reachgym.learners.losses import clipped_policy_sum, cross_entropy_sum, token_logprobs

LOW, HIGH = 0.2, 0.28


def policy_loss(ratios, advantage, weights=None):
    """The loss of one attempt whose tokens have these ratios, and the gradient by token."""
    logprobs = torch.tensor([[math.log(ratio) for ratio in ratios]], requires_grad=True)
    weights = torch.tensor([weights or [1.0] * len(ratios)])
    policy = clipped_policy_sum(
        logprobs, torch.zeros_like(logprobs), torch.tensor([advantage]), weights, LOW, HIGH
    )
    (gradient,) = torch.autograd.grad(policy.loss, logprobs)
    return policy, gradient[0].tolist()


def test_token_logprobs_are_those_of_each_id_given_those_before(make_model):
    model, ids = make_model(), torch.tensor([[1, 5, 3, 7]])
    by_hand = model(input_ids=ids).logits.detach().log_softmax(-1)
    expected = [float(by_hand[0, position, ids[0, position + 1]]) for position in range(3)]
    assert token_logprobs(model, ids)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_padding_on_the_right_changes_no_logprob(make_model):
    model = make_model()
    short = token_logprobs(model, torch.tensor([[1, 5, 3]]))
    padded = token_logprobs(model, torch.tensor([[1, 5, 3, 0, 0]]))
    torch.testing.assert_close(padded[:, :2], short, atol=1e-6, rtol=0)


def test_cross_entropy_weighs_every_token():
    logprobs = torch.tensor([[0.5, 0.25], [0.125, 1.0]]).log()
    weights = torch.tensor([[1.0, 2.0], [0.5, 0.0]])
    expected = math.log(2) + 2 * math.log(4) + 0.5 * math.log(8)
    assert float(cross_entropy_sum(logprobs, weights)) == pytest.approx(expected)


def test_at_ratio_one_the_loss_is_the_advantage_of_every_token():
    policy, gradient = policy_loss([1.0, 1.0, 1.0], 2.0)
    assert policy.loss.item() == pytest.approx(-6.0)
    assert gradient == pytest.approx([-2.0] * 3)
    assert (policy.clipped_tokens, policy.kl, policy.largest_ratio) == (0, 0, 1)


def test_a_good_token_is_clipped_above_only():
    policy, gradient = policy_loss([0.5, 1.2, 1.5], 2.0)
    assert policy.loss.item() == pytest.approx(-2 * (0.5 + 1.2 + 1.28))
    assert gradient == pytest.approx([-1.0, -2.4, 0.0])
    assert policy.clipped_tokens == 1


def test_a_bad_token_is_clipped_below_only():
    policy, gradient = policy_loss([0.5, 0.9, 1.5], -2.0)
    assert policy.loss.item() == pytest.approx(2 * (0.8 + 0.9 + 1.5))
    assert gradient == pytest.approx([0.0, 1.8, 3.0])
    assert policy.clipped_tokens == 1


def test_each_attempt_has_its_own_advantage():
    logprobs = torch.zeros(2, 3)
    weights = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    policy = clipped_policy_sum(
        logprobs, torch.zeros(2, 3), torch.tensor([1.0, -4.0]), weights, LOW, HIGH
    )
    assert policy.loss.item() == pytest.approx(-3.0 + 4.0)


def test_kl_is_the_k3_estimate_over_sampled_tokens():
    policy, _ = policy_loss([2.0, 0.25, 3.0], 1.0, [1.0, 1.0, 0.0])
    expected = (2 - 1 - math.log(2)) + (0.25 - 1 + math.log(4))
    assert policy.kl == pytest.approx(expected)
    assert policy.largest_ratio == pytest.approx(2.0)


@pytest.mark.parametrize("environment", [-1e4, -1.0, 0.0, 1e4])
def test_environment_tokens_have_exactly_no_influence_on_loss_or_gradient(environment):
    logprobs = torch.tensor([[-0.7, environment, -0.9]], requires_grad=True)
    behaviour = torch.tensor([[-0.8, -environment, -0.8]])
    weights = torch.tensor([[1.0, 0.0, 1.0]])
    policy = clipped_policy_sum(logprobs, behaviour, torch.tensor([1.5]), weights, LOW, HIGH)
    (gradient,) = torch.autograd.grad(policy.loss, logprobs)
    alone = clipped_policy_sum(
        logprobs[:, ::2], behaviour[:, ::2], torch.tensor([1.5]), weights[:, ::2], LOW, HIGH
    )
    (gradient_alone,) = torch.autograd.grad(alone.loss, logprobs)
    assert float(policy.loss.detach()) == float(alone.loss.detach())
    assert gradient[0, 1] == 0
    assert torch.equal(gradient, gradient_alone)
    assert (policy.kl, policy.largest_ratio) == (alone.kl, alone.largest_ratio)


def test_unweighted_tokens_have_exactly_no_cross_entropy_gradient():
    logprobs = torch.tensor([[-0.7, -50.0, -0.9]], requires_grad=True)
    loss = cross_entropy_sum(logprobs, torch.tensor([[1.0, 0.0, 1.0]]))
    (gradient,) = torch.autograd.grad(loss, logprobs)
    assert gradient.tolist() == [[-1.0, 0.0, -1.0]]
