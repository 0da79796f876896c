"""RL: group-relative advantages and a clipped token-level loss over sampled tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import InputError
from reachgym.learners.advantages import group_normalised, informative, leave_one_out
from reachgym.learners.batch import (
    LearnerState,
    Sample,
    by_length,
    check_samples,
    collate,
    minibatches,
    parts_for,
)
from reachgym.learners.losses import PolicyLoss, clipped_policy_sum, token_logprobs
from reachgym.learners.optimiser import Optimiser
from reachgym.learners.settings import RLConfig

_ADVANTAGES = {"group_normalised": group_normalised, "leave_one_out": leave_one_out}


@dataclass(slots=True)
class _Sums:
    """Sums over an update; tensors, so that no part waits for its numbers to leave a device."""

    loss: torch.Tensor
    clipped: torch.Tensor
    kl: torch.Tensor
    largest_ratio: torch.Tensor
    weight: float = 0.0
    tokens: int = 0
    steps: int = 0

    def add(self, policy: PolicyLoss) -> None:
        self.loss += policy.loss.detach()
        self.clipped += policy.clipped_tokens
        self.kl += policy.kl
        self.largest_ratio = torch.maximum(self.largest_ratio, policy.largest_ratio)


class RLLearner:
    """Improves a policy from its own attempts, several of each task."""

    def __init__(self, model: PreTrainedModel, config: RLConfig, seed: int = 0) -> None:
        self._model = model
        self._config = config
        self._optimiser = Optimiser(model, config)
        self._rng = np.random.default_rng(seed)
        self._vocabulary = int(model.config.vocab_size)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """One update; groups whose attempts all earned the same are left out.

        Returns:
            `loss`, `clip_fraction`, `kl` (k3, per token), `largest_ratio`, `tokens`, `steps`,
            `informative` (share of attempts in groups that differ), and over all attempts
            `reward` and `entropy` (nats per token, estimated by what was sampled). When no
            group differs nothing changes and `steps` is 0.

        Raises:
            InputError: A sample has no log-probabilities, a reward that is no number, or is
                malformed.
            DivergedError: The gradient is not finite.
        """
        check_samples(samples, self._vocabulary)
        if any(sample.logprobs is None for sample in samples):
            raise InputError(
                "RL needs the log-probabilities under which each sample was drawn; one has none"
            )
        rewards = np.array([sample.reward for sample in samples], np.float64)
        if not np.isfinite(rewards).all():
            raise InputError("RL needs rewards that are finite; leave unscored attempts out")
        groups = [sample.group for sample in samples]
        keep = informative(rewards, groups)
        advantages = _ADVANTAGES[self._config.advantage](rewards, groups)
        # An attempt without sampled tokens counts in its group and has nothing to be learnt from.
        learnt = keep & np.array([sample.weights[1:].any() for sample in samples], np.bool_)
        chosen = [sample for sample, kept in zip(samples, learnt, strict=True) if kept]
        sums = self._learn(chosen, advantages[learnt])
        weight = max(sums.weight, 1e-9)
        return {
            "loss": float(sums.loss) / weight,
            "clip_fraction": float(sums.clipped) / weight,
            "kl": float(sums.kl) / weight,
            "largest_ratio": float(sums.largest_ratio),
            "tokens": float(sums.tokens),
            "steps": float(sums.steps),
            "informative": float(keep.mean()) if len(keep) else 0.0,
            "reward": float(rewards.mean()) if len(rewards) else 0.0,
            "entropy": _entropy(samples),
        }

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

    def _learn(self, samples: Sequence[Sample], advantages: npt.NDArray[np.float64]) -> _Sums:
        loss, clipped, kl, largest_ratio = torch.zeros(4, device=self._model.device)
        sums = _Sums(loss, clipped, kl, largest_ratio)
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
        for part in by_length(samples, indices, parts_for(samples, indices, self._vocabulary)):
            batch = collate([samples[index] for index in part], self._model.device)
            policy = clipped_policy_sum(
                token_logprobs(self._model, batch.ids_B_T),
                batch.logprobs_B_T[:, 1:],
                torch.as_tensor(advantages[part], dtype=torch.float32, device=self._model.device),
                batch.weights_B_T[:, 1:],
                self._config.clip_low,
                self._config.clip_high,
            )
            torch.autograd.backward(policy.loss / total)
            sums.add(policy)
        sums.weight += total
        sums.tokens += sum(len(samples[index].ids) for index in indices)


def _entropy(samples: Sequence[Sample]) -> float:
    """Mean surprisal of what was sampled: unbiased where attempts are drawn from the policy."""
    drawn = [s.logprobs[s.weights > 0] for s in samples if s.logprobs is not None]
    surprisals = -np.concatenate([np.zeros(0, np.float32), *drawn])
    return float(surprisals.mean()) if len(surprisals) else 0.0
