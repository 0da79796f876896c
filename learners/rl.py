"""RL: group-relative advantages and a clipped token-level loss over sampled tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import InputError
from reachgym.learners.advantages import group_normalised, informative, leave_one_out
from reachgym.learners.batch import Sample, by_length, collate, minibatches
from reachgym.learners.losses import clipped_policy_sum, token_logprobs
from reachgym.learners.optimiser import Optimiser
from reachgym.learners.settings import RLConfig

_PARTS = 4
_ADVANTAGES = {"group_normalised": group_normalised, "leave_one_out": leave_one_out}


@dataclass(slots=True)
class _Sums:
    loss: float = 0.0
    weight: float = 0.0
    clipped: float = 0.0
    kl: float = 0.0
    tokens: int = 0
    steps: int = 0
    largest_ratio: float = field(default=0.0)


class RLLearner:
    """Improves a policy from its own attempts, several of each task."""

    def __init__(self, model: PreTrainedModel, config: RLConfig, seed: int = 0) -> None:
        self._model = model
        self._config = config
        self._optimiser = Optimiser(model, config)
        self._rng = np.random.default_rng(seed)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """One update; groups whose attempts all earned the same are left out.

        Returns:
            `loss`, `clip_fraction`, `kl` (k3, per token), `largest_ratio`, `tokens`, `steps`,
            `informative` (share of attempts in groups that differ) and `reward`. When no group
            differs nothing changes and `steps` is 0.

        Raises:
            InputError: A sample has no log-probabilities.
            DivergedError: The gradient is not finite.
        """
        if any(sample.logprobs is None for sample in samples):
            raise InputError(
                "RL needs the log-probabilities under which each sample was drawn; one has none"
            )
        rewards = np.array([sample.reward for sample in samples], np.float64)
        groups = [sample.group for sample in samples]
        keep = informative(rewards, groups)
        advantages = _ADVANTAGES[self._config.advantage](rewards, groups)
        chosen = [sample for sample, kept in zip(samples, keep, strict=True) if kept]
        sums = self._learn(chosen, advantages[keep])
        return {
            "loss": sums.loss / max(sums.weight, 1.0),
            "clip_fraction": sums.clipped / max(sums.weight, 1.0),
            "kl": sums.kl / max(sums.weight, 1.0),
            "largest_ratio": sums.largest_ratio,
            "tokens": float(sums.tokens),
            "steps": float(sums.steps),
            "informative": float(keep.mean()) if len(keep) else 0.0,
            "reward": float(rewards.mean()) if len(rewards) else 0.0,
        }

    def _learn(self, samples: Sequence[Sample], advantages: npt.NDArray[np.float64]) -> _Sums:
        sums = _Sums()
        for _ in range(self._config.epochs):
            for indices in minibatches(samples, self._config.minibatch, self._rng):
                self._accumulate(samples, advantages, indices, sums)
                self._optimiser.step()
                sums.steps += 1
        return sums

    def _accumulate(
        self,
        samples: Sequence[Sample],
        advantages: npt.NDArray[np.float64],
        indices: Sequence[int],
        sums: _Sums,
    ) -> None:
        # The mean is over the minibatch's tokens, not over those of each part.
        total = float(sum(samples[index].weights[1:].sum() for index in indices))
        for part in by_length(samples, indices, min(_PARTS, len(indices))):
            batch = collate([samples[index] for index in part], self._model.device)
            policy = clipped_policy_sum(
                token_logprobs(self._model, batch.ids_B_T),
                batch.logprobs_B_T[:, 1:],
                torch.as_tensor(advantages[part], dtype=torch.float32, device=self._model.device),
                batch.weights_B_T[:, 1:],
                self._config.clip_low,
                self._config.clip_high,
            )
            torch.autograd.backward(policy.loss / max(total, 1.0))
            sums.loss += float(policy.loss.detach())
            sums.clipped += policy.clipped_tokens
            sums.kl += policy.kl
            sums.largest_ratio = max(sums.largest_ratio, policy.largest_ratio)
        sums.weight += total
        sums.tokens += sum(len(samples[index].ids) for index in indices)
