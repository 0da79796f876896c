"""The sampling distribution: seeded streams, inverse-CDF draws and log-probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from reachgym.envs.errors import InputError


@dataclass(frozen=True, slots=True)
class Decoding:
    """How logits become the distribution that is sampled and scored.

    The logits are divided by the temperature, cut to the `top_k` largest, and cut to the nucleus of
    what is left (Holtzman et al. 2020); what remains is normalised. Of equal logits the lower id
    counts as the larger.

    Attributes:
        temperature: Divides the logits; 0 is greedy.
        top_p: Kept are the fewest, most probable ids that together have this probability.
        top_k: How many ids are kept; None keeps all.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            InputError: A value is out of range.
        """
        # Written so that NaN is refused as well.
        in_range = 0 <= self.temperature < float("inf") and 0 < self.top_p <= 1
        if not in_range or (self.top_k is not None and self.top_k < 1):
            raise InputError(
                f"expected temperature >= 0, 0 < top_p <= 1 and top_k >= 1 or None, got {self}; "
                "change them"
            )


def stream(seed: int, start: int) -> np.random.Generator:
    """Uniform numbers in [0, 1) that depend on nothing but seed and start.

    Each seed keys a Philox generator of its own whose counter begins at the start, so turns of one
    episode that share a seed draw from disjoint blocks.

    Args:
        seed: Never negative.
        start: Length of the history before the turn, in tokens.
    """
    return np.random.Generator(np.random.Philox(key=seed, counter=start))


def log_distribution(logits_B_V: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Natural log-probabilities of every id in float32, shape (B, V); -inf where it was cut off.

    At temperature 0 all mass lies on the first largest logit.
    """
    if decoding.temperature == 0:
        best_B_1 = logits_B_V.argmax(-1, keepdim=True)
        point_B_V = torch.full_like(logits_B_V, -torch.inf, dtype=torch.float32)
        return point_B_V.scatter_(-1, best_B_1, 0.0)
    tempered_B_V = logits_B_V.float() / decoding.temperature
    if decoding.top_k is not None or decoding.top_p < 1:
        tempered_B_V = _truncated(tempered_B_V, decoding)
    return torch.log_softmax(tempered_B_V, -1)


def _truncated(logits_B_V: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """The logits with -inf where top-k, and then top-p, cut an id off."""
    sorted_B_V, order_B_V = logits_B_V.sort(dim=-1, descending=True, stable=True)
    if decoding.top_k is not None:
        sorted_B_V[:, decoding.top_k :] = -torch.inf
    if decoding.top_p < 1:
        probs_B_V = torch.softmax(sorted_B_V.double(), -1)
        # Kept while those before do not hold enough: the first always is.
        before_B_V = probs_B_V.cumsum(-1) - probs_B_V
        sorted_B_V[before_B_V >= decoding.top_p] = -torch.inf
    return torch.empty_like(logits_B_V).scatter_(-1, order_B_V, sorted_B_V)


def draw(logprobs_B_V: torch.Tensor, uniforms_B: torch.Tensor) -> torch.Tensor:
    """Ids whose cumulative probability first exceeds each row's uniform, shape (B,).

    The sum runs in float64, so that rare ids keep their probability in a large vocabulary.
    """
    cdf_B_V = logprobs_B_V.double().exp_().cumsum(-1)
    # A float sum ends near 1, not at it; scaling the uniform keeps the draw inside the table.
    threshold_B_1 = uniforms_B[:, None] * cdf_B_V[:, -1:]
    ids_B_1 = torch.searchsorted(cdf_B_V, threshold_B_1, right=True)
    return ids_B_1[:, 0].clamp_(max=logprobs_B_V.shape[-1] - 1)


def logprobs_of(logits_N_V: torch.Tensor, ids_N: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Log-probabilities of given ids under the sampling distribution, float32, shape (N,)."""
    return log_distribution(logits_N_V, decoding).gather(-1, ids_N[:, None])[:, 0]
