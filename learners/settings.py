"""The settings of the learners, named as the field names them; they know no torch."""

from __future__ import annotations

import math
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
        _check_optimiser(self)
        _check_choice("schedule", self.schedule, ("constant", "cosine"))
        if self.warmup_steps < 0:
            raise ConfigError(f"warmup_steps must be 0 or more, got {self.warmup_steps}")
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
        deduplicate: Learn from equal successes at a task once.
    """

    learning_rate: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    minibatch: int = 128
    success_reward: float = 1.0
    max_per_group: int = 0
    deduplicate: bool = False

    def __post_init__(self) -> None:
        _check_optimiser(self)
        if self.max_per_group < 0:
            raise ConfigError(f"max_per_group must be 0 or more, got {self.max_per_group}")
        if not math.isfinite(self.success_reward):
            raise ConfigError(f"success_reward must be a finite number, got {self.success_reward}")


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
        _check_optimiser(self)
        _check_choice("advantage", self.advantage, ("group_normalised", "leave_one_out"))
        if self.epochs < 1:
            raise ConfigError(f"epochs must be 1 or more, got {self.epochs}")
        if not (0 < self.clip_low < 1 and self.clip_high > 0):
            raise ConfigError(
                "clip_low must lie in (0, 1) and clip_high above 0; got "
                f"{self.clip_low} and {self.clip_high}"
            )


LearnerConfig: TypeAlias = SFTConfig | RFTConfig | RLConfig


def _check_optimiser(config: LearnerConfig) -> None:
    """Refuse what AdamW cannot work with, or only silently; comparisons with NaN are false."""
    if not 0 < config.learning_rate < math.inf:
        raise ConfigError(f"learning_rate must be above 0 and finite, got {config.learning_rate}")
    if not config.grad_clip > 0:
        raise ConfigError(f"grad_clip must be above 0, got {config.grad_clip}")
    for name, value in (("beta1", config.beta1), ("beta2", config.beta2)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} must lie in [0, 1), got {value}")
    if not 0 <= config.weight_decay < math.inf:
        raise ConfigError(f"weight_decay must be 0 or more and finite, got {config.weight_decay}")
    if config.minibatch < 1:
        raise ConfigError(f"minibatch must be 1 or more, got {config.minibatch}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
