"""The sampling distribution: seeded uniforms, inverse-CDF draws and log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch


def uniforms(
    seeds: Sequence[int], starts: Sequence[int], counts: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), one per row and token, that depend on nothing but seed and start.

    Each row has its own Philox generator keyed by its seed whose counter begins at the row's
    start, so turns of one episode that share a seed draw from disjoint blocks.

    Args:
        seeds: One seed per row.
        starts: Length of each row's history, in tokens.
        counts: How many numbers each row needs.

    Returns:
        Shape (rows, max(counts)); a row is 0 beyond its count.
    """
    drawn_B_T = np.zeros((len(seeds), max(counts)))
    for row, (seed, start, count) in enumerate(zip(seeds, starts, counts, strict=True)):
        bits = np.random.Philox(key=seed, counter=start)
        drawn_B_T[row, :count] = np.random.Generator(bits).random(count)
    return drawn_B_T


def log_distribution(logits_B_V: torch.Tensor, temperature: float) -> torch.Tensor:
    """Natural log-probabilities of every id in float32, shape (B, V).

    At temperature 0 all mass lies on the first largest logit.
    """
    if temperature == 0:
        best_B_1 = logits_B_V.argmax(-1, keepdim=True)
        point_B_V = torch.full_like(logits_B_V, -torch.inf, dtype=torch.float32)
        return point_B_V.scatter_(-1, best_B_1, 0.0)
    return torch.log_softmax(logits_B_V.float() / temperature, -1)


def draw(logprobs_B_V: torch.Tensor, uniforms_B: torch.Tensor) -> torch.Tensor:
    """Ids whose cumulative probability first exceeds each row's uniform, shape (B,).

    The sum runs in float64, so that rare ids keep their probability in a large vocabulary.
    """
    cdf_B_V = logprobs_B_V.double().exp_().cumsum(-1)
    # A float sum ends near 1, not at it; scaling the uniform keeps the draw inside the table.
    threshold_B_1 = uniforms_B[:, None] * cdf_B_V[:, -1:]
    ids_B_1 = torch.searchsorted(cdf_B_V, threshold_B_1, right=True)
    return ids_B_1[:, 0].clamp_(max=logprobs_B_V.shape[-1] - 1)


def logprobs_of(logits_N_V: torch.Tensor, ids_N: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities of given ids under the sampling distribution, float32, shape (N,)."""
    return log_distribution(logits_N_V, temperature).gather(-1, ids_N[:, None])[:, 0]
