"""Token-level losses: weighted cross-entropy, and the clipped policy loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """A summed policy loss, with what there is to watch over the same tokens, on its device."""

    loss: torch.Tensor
    clipped_tokens: torch.Tensor
    kl: torch.Tensor
    largest_ratio: torch.Tensor


def token_logprobs(model: PreTrainedModel, ids_B_T: torch.Tensor) -> torch.Tensor:
    """Log-probability of every id given those before it, in float32, shape (B, T - 1).

    Padding stands on the right, where causal attention never looks back from, so no mask is
    needed.
    """
    logits_B_T_V: torch.Tensor = model(input_ids=ids_B_T, use_cache=False).logits[:, :-1].float()
    chosen_B_T = logits_B_T_V.gather(-1, ids_B_T[:, 1:, None])[..., 0]
    return chosen_B_T - logits_B_T_V.logsumexp(-1)


def cross_entropy_sum(logprobs_B_T: torch.Tensor, weights_B_T: torch.Tensor) -> torch.Tensor:
    """Weighted negative log-likelihood, summed over tokens."""
    return -(logprobs_B_T * weights_B_T).sum()


def clipped_policy_sum(
    logprobs_B_T: torch.Tensor,
    behaviour_B_T: torch.Tensor,
    advantages_B: torch.Tensor,
    weights_B_T: torch.Tensor,
    clip_low: float,
    clip_high: float,
) -> PolicyLoss:
    """The clipped surrogate of PPO (arXiv 1707.06347) per token, summed, with separate clips.

    Args:
        logprobs_B_T: Under the policy that is trained.
        behaviour_B_T: Under the policy that sampled.
        advantages_B: One for each attempt.
        weights_B_T: 1 on sampled tokens, 0 on all others.
        clip_low: Ratios are clipped below at 1 - clip_low.
        clip_high: And above at 1 + clip_high (arXiv 2503.14476).
    """
    # Where nothing was sampled the ratio must be 1, whatever the log-probabilities are: a zero
    # weight does not undo an overflow.
    difference_B_T = torch.where(weights_B_T > 0, logprobs_B_T - behaviour_B_T, 0.0)
    ratio_B_T = difference_B_T.exp()
    advantages_B_1 = advantages_B[:, None]
    clipped_B_T = ratio_B_T.clamp(1 - clip_low, 1 + clip_high)
    gain_B_T = torch.minimum(ratio_B_T * advantages_B_1, clipped_B_T * advantages_B_1)
    with torch.no_grad():
        is_clipped_B_T = (clipped_B_T * advantages_B_1 < ratio_B_T * advantages_B_1) & (
            weights_B_T > 0
        )
        # The k3 estimator of KL(behaviour || policy): non-negative, low variance.
        kl_B_T = ratio_B_T - 1 - difference_B_T
    return PolicyLoss(
        loss=-(gain_B_T * weights_B_T).sum(),
        clipped_tokens=is_clipped_B_T.sum(),
        kl=(kl_B_T * weights_B_T).sum(),
        largest_ratio=ratio_B_T.detach().max(),
    )
