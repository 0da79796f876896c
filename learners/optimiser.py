"""The optimiser that all learners share: AdamW, clipped gradients, a schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import CheckpointError, DivergedError
from reachgym.learners.settings import LearnerConfig, SFTConfig

_COSINE_FLOOR = 1 / 30


class Optimiser:
    """One AdamW over all of a model's parameters."""

    def __init__(self, model: PreTrainedModel, config: LearnerConfig) -> None:
        self._parameters = list(model.parameters())
        self._config = config
        self._steps = 0
        self._adamw = torch.optim.AdamW(
            self._parameters,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
        )

    @property
    def steps(self) -> int:
        """Steps taken so far, those before a restore included."""
        return self._steps

    @property
    def moments(self) -> dict[int, dict[str, torch.Tensor]]:
        """AdamW's state by parameter number; its own tensors, not copies."""
        moments: dict[int, dict[str, torch.Tensor]] = self._adamw.state_dict()["state"]
        return moments

    def restore(self, steps: int, moments: Mapping[int, Mapping[str, torch.Tensor]]) -> None:
        """Go on from a state; rates, decay and schedule stay those of the configuration.

        Raises:
            CheckpointError: The moments are of other parameters.
        """
        expected = [tuple(parameter.shape) for parameter in self._parameters]
        for number, moment in moments.items():
            came = tuple(moment["exp_avg"].shape)
            if number >= len(expected) or came != expected[number]:
                raise CheckpointError(
                    f"the optimiser's moments have shape {came} for parameter {number}, the model "
                    "has another there; restore a learner beside the model it was saved with"
                )
        groups = self._adamw.state_dict()["param_groups"]
        self._adamw.load_state_dict({"state": dict(moments), "param_groups": groups})
        self._steps = steps

    def step(self) -> float:
        """Apply the accumulated gradients and clear them; returns their norm before clipping.

        Raises:
            DivergedError: The norm is not finite.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._config.grad_clip))
        if not math.isfinite(norm):
            self._adamw.zero_grad()
            raise DivergedError(
                f"the gradient's norm is {norm} at step {self._steps}; lower learning_rate, or "
                "look at the samples"
            )
        for group in self._adamw.param_groups:
            group["lr"] = self._config.learning_rate * _factor(self._config, self._steps)
        self._adamw.step()
        self._adamw.zero_grad()
        self._steps += 1
        return norm


def _factor(config: LearnerConfig, step: int) -> float:
    if not isinstance(config, SFTConfig):
        return 1.0
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "constant":
        return warm
    done = min(step / config.total_steps, 1.0)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return warm * (_COSINE_FLOOR + (1 - _COSINE_FLOOR) * cosine)
