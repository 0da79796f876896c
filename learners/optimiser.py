"""The optimiser that all learners share: AdamW, clipped gradients, a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from reachgym.envs.errors import ReachgymError
from reachgym.learners.settings import LearnerConfig, SFTConfig

_COSINE_FLOOR = 1 / 30


class DivergedError(ReachgymError):
    """A loss or a gradient is not finite; the weights were left as they were."""


class Optimiser:
    """One AdamW over all of a model's parameters."""

    def __init__(self, model: PreTrainedModel, config: LearnerConfig) -> None:
        self._parameters = list(model.parameters())
        self._grad_clip = config.grad_clip
        self._adamw = torch.optim.AdamW(
            self._parameters,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
        )
        factor = _schedule(config) if isinstance(config, SFTConfig) else _constant
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._adamw, factor)

    def step(self) -> float:
        """Apply the accumulated gradients and clear them; returns their norm before clipping.

        Raises:
            DivergedError: The norm is not finite.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._grad_clip))
        if not math.isfinite(norm):
            self._adamw.zero_grad()
            raise DivergedError(
                f"the gradient's norm is {norm}; lower learning_rate, or look at the samples"
            )
        self._adamw.step()
        self._schedule.step()
        self._adamw.zero_grad()
        return norm


def _constant(step: int) -> float:
    del step
    return 1.0


def _schedule(config: SFTConfig) -> Callable[[int], float]:
    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        if config.schedule == "constant":
            return warm
        done = min(step / config.total_steps, 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return warm * (_COSINE_FLOOR + (1 - _COSINE_FLOOR) * cosine)

    return factor
