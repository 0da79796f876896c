"""What a learner learns from: token sequences with weights, and tensors made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import torch

from reachgym.envs.errors import InputError

# Logits of one part, in numbers: half a gigabyte of float32.
_LOGITS = 2**27
_PARTS = 4
_ALIKE = 1.25


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


class LearnerState(TypedDict):
    """What a learner needs beside the weights to go on as if it had never stopped.

    Attributes:
        steps: Optimiser steps taken.
        adamw: AdamW's moments, by parameter number; the learner's own tensors, not copies.
        generator: State of the generator that orders samples.
    """

    steps: int
    adamw: dict[int, dict[str, torch.Tensor]]
    generator: dict[str, Any]


class Learner(Protocol):
    """Anything that improves a model from samples; it never knows where they come from."""

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Take one update; returns metrics by name."""
        ...

    def state(self) -> LearnerState:
        """Everything but the weights that the next update depends on."""
        ...

    def restore(self, state: LearnerState) -> None:
        """Go on from a state, which the learner keeps; settings stay those it was made with.

        Raises:
            CheckpointError: The state is of a model with other parameters.
        """
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


def check_samples(samples: Sequence[Sample], vocabulary: int) -> None:
    """Refuse samples that would crash a device or train on numbers that are none.

    Raises:
        InputError: Shapes differ, an id has no embedding, a weight or a log-probability of a
            weighted id is not finite, or a weight is negative.
    """
    for index, sample in enumerate(samples):
        fault = _fault(sample, vocabulary)
        if fault:
            raise InputError(f"sample {index} (group {sample.group!r}) {fault}")


def _fault(sample: Sample, vocabulary: int) -> str | None:
    ids, weights, logprobs = sample.ids, sample.weights, sample.logprobs
    shapes = [array.shape for array in (ids, weights, logprobs) if array is not None]
    if ids.ndim != 1 or not len(ids) or len(set(shapes)) > 1:
        return f"needs ids, weights and logprobs of one shape (T,), T above 0; got {shapes}"
    if ids.min() < 0 or ids.max() >= vocabulary:
        return (
            f"needs ids in [0, {vocabulary}), got {ids.min()} to {ids.max()}; use the tokenizer "
            "of the model that is trained"
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        return "needs weights that are finite and 0 or more; set 0 to leave an id out"
    if logprobs is not None and not np.isfinite(logprobs[weights > 0]).all():
        return "has log-probabilities that are not finite; look at the policy that sampled it"
    return None


def parts_for(samples: Sequence[Sample], indices: Sequence[int], vocabulary: int) -> int:
    """Into how many parts to cut a minibatch: little padding, and logits that fit in memory."""
    lengths = [len(samples[index].ids) for index in indices]
    least = 1 if max(lengths) < _ALIKE * min(lengths) else _PARTS
    fitting = -(-len(lengths) * max(lengths) * vocabulary // _LOGITS)
    return min(max(least, fitting), len(lengths))


def by_length(samples: Sequence[Sample], indices: Sequence[int], parts: int) -> list[list[int]]:
    """Cut a minibatch into parts of similar length, so that little of it is padding."""
    order = sorted(indices, key=lambda index: len(samples[index].ids))
    bounds = np.linspace(0, len(order), parts + 1).astype(int)
    return [order[a:b] for a, b in pairwise(bounds) if b > a]
