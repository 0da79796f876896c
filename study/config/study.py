"""The configuration of a study: every number of it, validated, from YAML or TOML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from reachgym.agents.tiny import TinyConfig
from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef
from reachgym.envs.sandbox.levels import parse_sandbox
from reachgym.envs.types import JSON, Budget
from reachgym.learners.settings import SFTConfig
from reachgym.study.config.arms import ArmConfig
from reachgym.study.config.measurement import (
    ContrastConfig,
    EvaluationConfig,
    GateConfig,
    MeasurementConfig,
)
from reachgym.study.config.names import check_names
from reachgym.study.config.section import Section
from reachgym.study.pretraining import PretrainingMix


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

    def mixed(self, base: BaseConfig) -> PretrainingMix:
        """The mixture that one base is trained on.

        Raises:
            TypeError: The base names a value that the mixture has not.
            ConfigError: A value is out of its range.
        """
        # The check of names is `replace`'s own: it refuses those that the mixture has not.
        changes: dict[str, Any] = dict(base.mix)
        return replace(self.mix, **changes)


class BaseConfig(Section):
    """One base: the model before post-training, and what its pre-training had otherwise."""

    label: str = "base"
    description: str = "the model before post-training"
    mix: dict[str, float] = Field(
        {}, description="values of pretraining.mix in which this base differs"
    )


class InterfaceConfig(Section):
    """The tools and the information that an evaluation or a training offers."""

    description: str
    tools: list[str] = Field([])
    information: Literal["full", "withheld", "shuffled"] = Field(
        "full", description="what search finds: facts, nothing, or facts of other documents"
    )

    def kwargs(self) -> dict[str, JSON]:
        """The value of an environment's `interface` argument."""
        return {"tools": list(self.tools), "information": self.information}


class FamilyConfig(Section):
    """One family of tasks: the environment, and how much of it is trained and measured on."""

    env: str
    kwargs: dict[str, JsonValue] = Field({})
    description: str
    train: bool = False
    only_search_tells: bool = Field(
        False,
        description="nothing but search tells the answer, so that chance bounds success without it",
    )
    base_draws: int = Field(gt=0, description="attempts per held-out task of a base, at most")
    arm_draws: int = Field(gt=0, description="attempts per held-out task of an arm, at most")
    atoms: list[str] = Field(
        [], description="families whose tasks together make up one of this family"
    )

    def ref(
        self, world: WorldConfig, interface: InterfaceConfig, sandbox: Mapping[str, JSON] | None
    ) -> EnvRef:
        """The environment of this family in one world through one interface, in one sandbox."""
        fixed: dict[str, JSON] = {"world_seed": world.seed, "interface": interface.kwargs()}
        if sandbox is not None:
            fixed["sandbox"] = dict(sandbox)
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


@dataclass(frozen=True, slots=True)
class Trained:
    """One arm trained from one base, over all seeds: a policy of the study."""

    policy: str
    name: str
    arm: ArmConfig
    base: str


class StudyConfig(Section):
    """A whole study."""

    title: str
    question: str
    seeds: list[int] = Field(min_length=1)
    world: WorldConfig = WorldConfig()
    model: ModelConfig = ModelConfig()
    pretraining: PretrainingConfig | None = None
    bases: dict[str, BaseConfig] = Field({"base": BaseConfig()}, min_length=1)
    gates: dict[str, GateConfig] = Field({})
    interfaces: dict[str, InterfaceConfig]
    families: dict[str, FamilyConfig]
    attempt_budget: BudgetConfig = BudgetConfig()
    sandbox: dict[str, JsonValue] | None = Field(
        None, description="where tools and verifiers run code; null is the namespaces level"
    )
    arms: dict[str, ArmConfig]
    measurement: MeasurementConfig = MeasurementConfig()
    evaluations: dict[str, EvaluationConfig] = Field({})
    contrasts: dict[str, ContrastConfig] = Field({})
    resources: ResourceConfig = ResourceConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_names(self)
        if (self.pretraining is None) == (self.model.checkpoint is None):
            raise ValueError("give either pretraining or model.checkpoint, and not both")
        if not self.training_families():
            raise ValueError("no family has train: true; the arms need tasks to train on")
        for name, family in self.families.items():
            if min(family.base_draws, family.arm_draws) < self.measurement.first_draws:
                raise ValueError(
                    f"families.{name}: base_draws and arm_draws must be at least first_draws, "
                    f"{self.measurement.first_draws}"
                )
        for name, base in self.bases.items():
            self._check_mix(name, base)
        return self

    @field_validator("sandbox")
    @classmethod
    def _known_sandbox(cls, given: dict[str, JSON] | None) -> dict[str, JSON] | None:
        try:
            parse_sandbox(given)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return given

    def _check_mix(self, name: str, base: BaseConfig) -> None:
        if not base.mix:
            return
        if self.pretraining is None:
            raise ValueError(f"bases.{name}.mix: a checkpoint is not pre-trained, so has no mix")
        try:
            self.pretraining.mixed(base)
        except (TypeError, ConfigError) as error:
            raise ValueError(f"bases.{name}.mix: {error}") from None

    def hash(self) -> str:
        """Sixteen hex digits over everything that the results depend on."""
        content = json.dumps(self.model_dump(mode="json", exclude={"resources"}), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def training_families(self) -> dict[str, FamilyConfig]:
        """The families that arms train on, by name."""
        return {name: family for name, family in self.families.items() if family.train}

    def trained(self) -> list[Trained]:
        """Every arm from every base it is trained from."""
        return [
            Trained(self.policy_name(name, base), name, arm, base)
            for name, arm in self.arms.items()
            for base in self.bases_of(arm)
        ]

    def policy_name(self, arm: str, base: str) -> str:
        """What an arm trained from a base is called."""
        return arm if base == next(iter(self.bases)) else f"{arm}@{base}"

    def bases_of(self, arm: ArmConfig) -> list[str]:
        """The bases an arm is trained from."""
        return arm.bases or [next(iter(self.bases))]
