"""The configuration of a study: every number of it, validated, from YAML or TOML."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from reachgym.agents.tiny import TinyConfig
from reachgym.envs.registration import EnvRef
from reachgym.envs.types import JSON, Budget
from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig
from reachgym.study.pretraining import PretrainingMix


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldConfig(Section):
    """The fictional world that held-out facts come from; its seed is never pre-trained on."""

    seed: int = 0


class ModelConfig(Section):
    """The base: a small Llama trained from scratch, or an existing checkpoint."""

    hidden: int = Field(96, gt=0)
    layers: int = Field(3, gt=0)
    heads: int = Field(3, gt=0)
    mlp: int = Field(192, gt=0)
    max_positions: int = Field(128, gt=0)
    init_std: float = Field(0.08, gt=0)
    checkpoint: Path | None = Field(
        None, description="folder of a causal LM; it is used as the base and not pre-trained"
    )

    def tiny(self) -> TinyConfig:
        """The shape of the model from scratch."""
        return TinyConfig(
            self.hidden, self.layers, self.heads, self.mlp, self.max_positions, self.init_std
        )


class PretrainingConfig(Section):
    """How the base is trained from scratch; `batch` counts rows of packed documents a step."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    learner: SFTConfig
    mix: PretrainingMix = PretrainingMix()


class GateConfig(Section):
    """What every base must show on validation tasks: a success rate within [low, high]."""

    family: str
    interface: str
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    tasks: int = Field(32, gt=0)
    attempts: int = Field(32, gt=0)


class InterfaceConfig(Section):
    """The tools and the information that an evaluation or a training offers."""

    description: str
    tools: list[str] = []
    information: bool = True

    def kwargs(self) -> dict[str, JSON]:
        """The value of an environment's `interface` argument."""
        return {"tools": list(self.tools), "information": self.information}


class FamilyConfig(Section):
    """One family of tasks: the environment, and how much of it is trained and measured on."""

    env: str
    kwargs: dict[str, JsonValue] = {}
    description: str
    train: bool = False
    only_search_tells: bool = Field(
        False,
        description="nothing but search tells the answer, so that chance bounds success without it",
    )
    base_draws: int = Field(gt=0, description="attempts per held-out task of every base")
    arm_draws: int = Field(gt=0, description="attempts per held-out task of every arm")

    def ref(self, world: WorldConfig, interface: InterfaceConfig) -> EnvRef:
        """The environment of this family in one world through one interface."""
        fixed: dict[str, JSON] = {"world_seed": world.seed, "interface": interface.kwargs()}
        return EnvRef(self.env, {**self.kwargs, **fixed})


class BudgetConfig(Section):
    """The attempt budget: what one attempt may spend."""

    turns: int | None = None
    action_tokens: int | None = None
    context_tokens: int | None = None
    tool_calls: int | None = None
    wall_s: float | None = None

    def budget(self) -> Budget:
        """As the rollouts take it."""
        return Budget(**self.model_dump())


class ArmBase(Section):
    """What every arm has: a name for figures, a sentence, and the interface it trains in."""

    label: str
    description: str
    interface: str


class SFTArm(ArmBase):
    """Supervised fine-tuning on demonstrations of the training tasks."""

    kind: Literal["sft"]
    data: Literal["answers", "traces"]
    demonstrations: int = Field(gt=0, description="per training family")
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
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
    learner: RLConfig


ArmConfig = Annotated[SFTArm | RFTArm | RLArm, Field(discriminator="kind")]


class MeasurementConfig(Section):
    """How accessible support is measured on held-out tasks."""

    sample_budgets: list[Annotated[int, Field(gt=0)]] = [1, 16, 64, 256]
    headline: int = 64
    tasks: int = Field(12, gt=0, description="held-out tasks per family")
    interface: str = Field("tools", description="where base and arms are compared")
    bare_interface: str = Field("no_tools", description="the second reference: the base without")
    bare_draws: int = Field(256, gt=0, description="attempts per task of the base without tools")
    alpha: float = Field(0.05, gt=0, lt=0.5)
    minimum_share: float = Field(0.1, gt=0, lt=1, description="created share that counts")
    equivalence: float = Field(0.1, gt=0, lt=1, description="delta of the TOST on pass@B")
    bootstrap: int = Field(2000, gt=0)

    @model_validator(mode="after")
    def _headline_is_reported(self) -> Self:
        if self.headline not in self.sample_budgets:
            raise ValueError(f"headline {self.headline} is not one of sample_budgets")
        if self.minimum_share < self.alpha:
            raise ValueError(
                f"minimum_share must be at least alpha ({self.alpha}): up to that share of labels "
                "may be wrong"
            )
        return self


class ResourceConfig(Section):
    """Where it runs: `lanes` trainings at once, each with a learner and rollout workers."""

    address: str | None = Field(None, description="a Ray cluster; null starts Ray here")
    lanes: int = Field(2, gt=0)
    workers_per_lane: int = Field(1, gt=0)
    slots: int = Field(256, gt=0, description="episodes in flight per worker")
    worker_cpus: float = Field(1.0, ge=0)
    worker_gpus: float = Field(0.0, ge=0)
    learner_cpus: float = Field(0.0, ge=0)
    learner_gpus: float = Field(0.0, ge=0)
    device: Literal["cpu", "cuda"] = "cpu"


class StudyConfig(Section):
    """A whole study."""

    title: str
    question: str
    seeds: list[int] = Field(min_length=1)
    world: WorldConfig = WorldConfig()
    model: ModelConfig = ModelConfig()
    pretraining: PretrainingConfig | None = None
    gates: dict[str, GateConfig] = {}
    interfaces: dict[str, InterfaceConfig]
    families: dict[str, FamilyConfig]
    attempt_budget: BudgetConfig = BudgetConfig()
    arms: dict[str, ArmConfig]
    measurement: MeasurementConfig = MeasurementConfig()
    resources: ResourceConfig = ResourceConfig()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        measured = self.measurement
        used = {"measurement.interface": measured.interface}
        used["measurement.bare_interface"] = measured.bare_interface
        used |= {f"arms.{name}.interface": arm.interface for name, arm in self.arms.items()}
        used |= {f"gates.{name}.interface": gate.interface for name, gate in self.gates.items()}
        for where, name in used.items():
            _require_known(where, name, self.interfaces)
        for name, gate in self.gates.items():
            _require_known(f"gates.{name}.family", gate.family, self.families)
        for name, family in self.families.items():
            if min(family.base_draws, family.arm_draws) < measured.headline:
                raise ValueError(
                    f"families.{name}: base_draws and arm_draws must be at least the headline "
                    f"budget of {measured.headline}, or pass@{measured.headline} has no estimate"
                )
        if not any(family.train for family in self.families.values()):
            raise ValueError("no family has train: true; the arms need tasks to train on")
        if "base" in self.arms:
            raise ValueError("an arm may not be called 'base'; that name is the reference's")
        if (self.pretraining is None) == (self.model.checkpoint is None):
            raise ValueError("give either pretraining or model.checkpoint, and not both")
        return self

    def hash(self) -> str:
        """Sixteen hex digits over everything that the results depend on."""
        content = json.dumps(self.model_dump(mode="json", exclude={"resources"}), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def training_families(self) -> dict[str, FamilyConfig]:
        """The families that arms train on, by name."""
        return {name: family for name, family in self.families.items() if family.train}


def _require_known(where: str, name: str, known: object) -> None:
    names = list(known) if isinstance(known, dict) else []
    if name not in names:
        raise ValueError(f"{where} is '{name}', which is not one of {', '.join(names)}")
