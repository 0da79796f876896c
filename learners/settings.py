"""The settings of the learners, named as the field names them; they know no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from reachgym.envs.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SFTConfig:
    """Supervised fine-tuning, and pre-training.

    Attributes:
        learning_rate: Peak learning rate of AdamW.
        beta1: AdamW's first moment.
        beta2: AdamW's second moment.
        weight_decay: AdamW's decoupled decay.
        grad_clip: Largest norm of a gradient.
        schedule: `constant`, or `cosine` down to a thirtieth of the peak at `total_steps`.
        warmup_steps: Steps of linear warm-up.
        total_steps: Length of the cosine; not needed for `constant`.
        minibatch: Samples per optimiser step.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    total_steps: int = 0
    minibatch: int = 128

    def __post_init__(self) -> None:
        _check_optimiser(self.learning_rate, self.grad_clip, self.minibatch)
        if self.schedule == "cosine" and self.total_steps <= self.warmup_steps:
            raise ConfigError(
                "schedule 'cosine' needs total_steps larger than warmup_steps; got "
                f"{self.total_steps} and {self.warmup_steps}"
            )


@dataclass(frozen=True, slots=True)
class RFTConfig:
    """Fine-tuning on the policy's own verified successes.

    Attributes:
        learning_rate: Learning rate of AdamW.
        beta1: AdamW's first moment.
        beta2: AdamW's second moment.
        weight_decay: AdamW's decoupled decay.
        grad_clip: Largest norm of a gradient.
        minibatch: Samples per optimiser step.
        success_reward: Reward from which an attempt is a success.
        max_per_group: Successes of one task that are learnt from; 0 keeps all.
    """

    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    minibatch: int = 128
    success_reward: float = 1.0
    max_per_group: int = 0

    def __post_init__(self) -> None:
        _check_optimiser(self.learning_rate, self.grad_clip, self.minibatch)
        if self.max_per_group < 0:
            raise ConfigError(f"max_per_group must be 0 or more, got {self.max_per_group}")


@dataclass(frozen=True, slots=True)
class RLConfig:
    """Reinforcement learning with a clipped token-level policy loss.

    Attributes:
        learning_rate: Learning rate of AdamW.
        beta1: AdamW's first moment.
        beta2: AdamW's second moment.
        weight_decay: AdamW's decoupled decay.
        grad_clip: Largest norm of a gradient.
        minibatch: Samples per optimiser step.
        epochs: Passes over the samples of one update.
        advantage: `group_normalised` or `leave_one_out`.
        clip_low: The ratio is clipped below at 1 - clip_low.
        clip_high: And above at 1 + clip_high.
    """

    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    minibatch: int = 128
    epochs: int = 1
    advantage: Literal["group_normalised", "leave_one_out"] = "group_normalised"
    clip_low: float = 0.2
    clip_high: float = 0.28

    def __post_init__(self) -> None:
        _check_optimiser(self.learning_rate, self.grad_clip, self.minibatch)
        if self.epochs < 1:
            raise ConfigError(f"epochs must be 1 or more, got {self.epochs}")
        if not 0 < self.clip_low < 1 or self.clip_high <= 0:
            raise ConfigError(
                "clip_low must lie in (0, 1) and clip_high above 0; got "
                f"{self.clip_low} and {self.clip_high}"
            )


LearnerConfig: TypeAlias = SFTConfig | RFTConfig | RLConfig


def _check_optimiser(learning_rate: float, grad_clip: float, minibatch: int) -> None:
    for name, value in (("learning_rate", learning_rate), ("grad_clip", grad_clip)):
        if value <= 0:
            raise ConfigError(f"{name} must be above 0, got {value}")
    if minibatch < 1:
        raise ConfigError(f"minibatch must be 1 or more, got {minibatch}")
