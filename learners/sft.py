"""SFT: weighted next-token prediction, for demonstrations and for pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import InputError
from reachgym.learners.batch import (
    LearnerState,
    Sample,
    by_length,
    check_samples,
    collate,
    minibatches,
    parts_for,
)
from reachgym.learners.losses import cross_entropy_sum, token_logprobs
from reachgym.learners.optimiser import Optimiser
from reachgym.learners.settings import RFTConfig, SFTConfig


class SFTLearner:
    """One optimiser step for every minibatch of the samples it is given."""

    def __init__(
        self, model: PreTrainedModel, config: SFTConfig | RFTConfig, seed: int = 0
    ) -> None:
        self._model = model
        self._minibatch = config.minibatch
        self._optimiser = Optimiser(model, config)
        self._rng = np.random.default_rng(seed)
        self._vocabulary = int(model.config.vocab_size)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Learn from every sample once.

        Returns:
            `loss` (mean over weights), `tokens` (that the gradient went through), `steps`.

        Raises:
            InputError: No sample has any weight, or one is malformed.
            DivergedError: The gradient is not finite.
        """
        check_samples(samples, self._vocabulary)
        samples = [sample for sample in samples if sample.weights[1:].any()]
        if not samples:
            raise InputError("SFT needs samples with weights above 0 after the first token")
        loss = torch.zeros((), device=self._model.device)
        weight = 0.0
        steps = 0
        for indices in minibatches(samples, self._minibatch, self._rng):
            minibatch_loss, minibatch_weight = self._accumulate(samples, indices)
            self._optimiser.step()
            loss += minibatch_loss
            weight += minibatch_weight
            steps += 1
        tokens = sum(len(sample.ids) for sample in samples)
        return {"loss": float(loss) / weight, "tokens": float(tokens), "steps": float(steps)}

    def state(self) -> LearnerState:
        """Steps, moments and the generator of sample orders."""
        return LearnerState(
            steps=self._optimiser.steps,
            adamw=self._optimiser.moments,
            generator=dict(self._rng.bit_generator.state),
        )

    def restore(self, state: LearnerState) -> None:
        """Go on from a state.

        Raises:
            CheckpointError: The state is of a model with other parameters.
        """
        self._optimiser.restore(state["steps"], state["adamw"])
        self._rng.bit_generator.state = state["generator"]

    def _accumulate(
        self, samples: Sequence[Sample], indices: Sequence[int]
    ) -> tuple[torch.Tensor, float]:
        total = float(sum(samples[index].weights[1:].sum() for index in indices))
        loss = torch.zeros((), device=self._model.device)
        for part in by_length(samples, indices, parts_for(samples, indices, self._vocabulary)):
            batch = collate([samples[index] for index in part], self._model.device)
            logprobs_B_T = token_logprobs(self._model, batch.ids_B_T)
            part_loss = cross_entropy_sum(logprobs_B_T, batch.weights_B_T[:, 1:])
            torch.autograd.backward(part_loss / total)
            loss += part_loss.detach()
        return loss, total
