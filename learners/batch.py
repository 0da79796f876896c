"""What a learner learns from: token sequences with weights, and tensors made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


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
