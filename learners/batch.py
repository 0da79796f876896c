"""What a learner learns from: token sequences with weights, and tensors made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True, slots=True)
class Sample:
    """One token sequence to learn from.

    Attributes:
        ids: Token ids, shape (T,).
        weights: Loss weight of each id, shape (T,); 0 leaves it out. RL and RFT give 1 to sampled
            ids and 0 to what the environment wrote.
        logprobs: Log-probabilities under the policy that sampled it, shape (T,), 0 where the
            weight is 0; None where nobody sampled it.
        reward: The episode's reward, for learners that use one.
        group: Attempts that share a group are compared with one another.
    """

    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    logprobs: npt.NDArray[np.float32] | None = None
    reward: float = 0.0
    group: str = ""


class Learner(Protocol):
    """Anything that improves a model from samples; it never knows where they come from."""

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Take one update; returns metrics by name."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as tensors, padded on the right.

    Attributes:
        ids_B_T: Token ids; padding has weight 0.
        weights_B_T: Loss weight of each id.
        logprobs_B_T: Behaviour log-probabilities, 0 where there are none.
    """

    ids_B_T: torch.Tensor
    weights_B_T: torch.Tensor
    logprobs_B_T: torch.Tensor


def collate(samples: Sequence[Sample], device: torch.device) -> Batch:
    """Pad samples to the longest of them and put them on a device."""
    shape = (len(samples), max(len(sample.ids) for sample in samples))
    ids_B_T = np.zeros(shape, np.int64)
    weights_B_T = np.zeros(shape, np.float32)
    logprobs_B_T = np.zeros(shape, np.float32)
    for row, sample in enumerate(samples):
        length = len(sample.ids)
        ids_B_T[row, :length] = sample.ids
        weights_B_T[row, :length] = sample.weights
        if sample.logprobs is not None:
            logprobs_B_T[row, :length] = sample.logprobs
    arrays = (ids_B_T, weights_B_T, logprobs_B_T)
    return Batch(*(torch.from_numpy(array).to(device) for array in arrays))


def minibatches(
    samples: Sequence[Sample], size: int, generator: np.random.Generator
) -> Iterator[list[int]]:
    """Indices of all samples in random minibatches of `size`, the last one shorter."""
    order = generator.permutation(len(samples)).tolist()
    for start in range(0, len(order), size):
        yield order[start : start + size]


def by_length(samples: Sequence[Sample], indices: Sequence[int], parts: int) -> list[list[int]]:
    """Cut a minibatch into parts of similar length, so that little of it is padding."""
    order = sorted(indices, key=lambda index: len(samples[index].ids))
    bounds = np.linspace(0, len(order), parts + 1).astype(int)
    return [order[a:b] for a, b in pairwise(bounds) if b > a]
