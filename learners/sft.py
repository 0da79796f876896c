"""SFT: weighted next-token prediction, for demonstrations and for pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import InputError
from reachgym.learners.batch import Sample, by_length, collate, minibatches
from reachgym.learners.losses import cross_entropy_sum, token_logprobs
from reachgym.learners.optimiser import Optimiser
from reachgym.learners.settings import RFTConfig, SFTConfig

# Parts of a minibatch that are padded by themselves; more parts waste less and cost overhead.
_PARTS = 4
_ALIKE = 1.25


class SFTLearner:
    """One optimiser step for every minibatch of the samples it is given."""

    def __init__(
        self, model: PreTrainedModel, config: SFTConfig | RFTConfig, seed: int = 0
    ) -> None:
        self._model = model
        self._minibatch = config.minibatch
        self._optimiser = Optimiser(model, config)
        self._rng = np.random.default_rng(seed)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Learn from every sample once.

        Returns:
            `loss` (mean over weights), `tokens` (that the gradient went through), `steps`.

        Raises:
            InputError: No sample has any weight.
            DivergedError: The gradient is not finite.
        """
        if not any(sample.weights[1:].any() for sample in samples):
            raise InputError("SFT needs samples with weights above 0 after the first token")
        loss = weight = 0.0
        steps = 0
        for indices in minibatches(samples, self._minibatch, self._rng):
            minibatch_loss, minibatch_weight = self._accumulate(samples, indices)
            self._optimiser.step()
            loss += minibatch_loss
            weight += minibatch_weight
            steps += 1
        tokens = sum(len(sample.ids) for sample in samples)
        return {"loss": loss / weight, "tokens": float(tokens), "steps": float(steps)}

    def _accumulate(self, samples: Sequence[Sample], indices: Sequence[int]) -> tuple[float, float]:
        total = float(sum(samples[index].weights[1:].sum() for index in indices))
        loss = 0.0
        for part in by_length(samples, indices, _parts_for(samples, indices)):
            batch = collate([samples[index] for index in part], self._model.device)
            logprobs_B_T = token_logprobs(self._model, batch.ids_B_T)
            part_loss = cross_entropy_sum(logprobs_B_T, batch.weights_B_T[:, 1:])
            torch.autograd.backward(part_loss / max(total, 1e-9))
            loss += float(part_loss.detach())
        return loss, total


def _parts_for(samples: Sequence[Sample], indices: Sequence[int]) -> int:
    lengths = [len(samples[index].ids) for index in indices]
    return 1 if max(lengths) < _ALIKE * min(lengths) else min(_PARTS, len(indices))
