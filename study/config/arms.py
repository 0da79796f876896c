"""The arms of a study: what each is trained on, how, from which base and through what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig
from reachgym.study.config.section import Section


class ArmBase(Section):
    """What every arm has: a name for figures, a sentence, and the interface it trains in."""

    label: str
    description: str
    interface: str
    bases: list[str] = Field(
        [], description="the bases it is trained from; none named is the first"
    )
    control_for: list[str] = Field(
        [], description="arms that must create more than this one for a verdict of creation"
    )


class SFTArm(ArmBase):
    """Supervised fine-tuning on demonstrations of the training tasks."""

    kind: Literal["sft"]
    data: Literal["answers", "traces"]
    demonstrations: int = Field(gt=0, description="per training family")
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    learner: SFTConfig


class YokedArm(ArmBase):
    """Supervised fine-tuning on another arm's own successes, update by update as it had them."""

    kind: Literal["yoked"]
    to: str = Field(description="the arm, trained on its own attempts from the same bases")
    learner: SFTConfig


class OnPolicyArm(ArmBase):
    """What RFT and RL share: tasks and attempts a step."""

    steps: int = Field(gt=0)
    prompts: int = Field(gt=0, description="tasks a step, spread over the training families")
    attempts: int = Field(gt=1, description="attempts of each of them")


class RFTArm(OnPolicyArm):
    """Iterated fine-tuning on the policy's own verified successes."""

    kind: Literal["rft"]
    learner: RFTConfig


class RLArm(OnPolicyArm):
    """Reinforcement learning with a clipped token-level loss."""

    kind: Literal["rl"]
    reward: Literal["verdict", "random"] = Field(
        "verdict", description="random is a fair coin, whatever the attempt did"
    )
    learner: RLConfig


ArmConfig = Annotated[SFTArm | YokedArm | RFTArm | RLArm, Field(discriminator="kind")]
