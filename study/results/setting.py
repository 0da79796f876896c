"""The part of `results.json` that says what was measured, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reachgym.study.results.records import Interval, Record


class InterfaceInfo(Record):
    """The tools and the information that an evaluation offered."""

    name: str = Field(description="e.g. 'tools', 'no_tools'")
    description: str
    tools: list[str]
    information: Literal["full", "withheld", "shuffled"] = Field(
        description="what search finds: facts, nothing, or facts of other documents"
    )


class PolicyInfo(Record):
    """The base or one arm, over all of its seeds."""

    name: str
    label: str = Field(description="for figures, short")
    description: str = Field(description="how it was trained, one sentence")
    is_base: bool
    base: str = Field(description="the base it was trained from; a base's own name")
    arm: str | None = Field(description="the same from every base; null for a base")
    control_for: list[str] = Field(description="arms that must create more than this one")
    train_interface: str | None = Field(description="interface it was trained in; null for base")
    seeds: list[int]


class EvaluationInfo(Record):
    """A further look at policies, by fixed draws at the held-out tasks."""

    name: str
    label: str = Field(description="for figures, short")
    description: str
    of: Literal["base", "arms", "all"] = Field(description="who is looked at")
    interface: str
    world_seed: int = Field(description="of the world that its tasks ask about")
    elicits: bool = Field(description="whether it lets the policy act otherwise than measured")


class SampleBudget(Record):
    """One value of B and the success probabilities that its labels turn on."""

    attempts: int = Field(description="B, independent attempts a task")
    p_in: float = Field(description="from here on solved within B attempts more likely than not")
    p_out: float = Field(description="up to here solved within B attempts in under 5 % of cases")
    headline: bool = Field(description="whether verdicts are given at this B")


class Setting(Record):
    """What was measured, and how."""

    title: str
    question: str
    world_seed: int = Field(description="of the world that tasks ask about")
    alpha: float = Field(description="error of each label, bound and verdict")
    sample_budgets: list[SampleBudget]
    attempt_budget: dict[str, float | int | None] = Field(
        description="what one attempt may use; null is unlimited"
    )
    interfaces: list[InterfaceInfo]
    policies: list[PolicyInfo] = Field(description="bases first, each followed by its arms")
    evaluations: list[EvaluationInfo]
    families: dict[str, str] = Field(description="family to what its tasks ask, one sentence")
    exposures: dict[str, dict[str, float]] = Field(
        description="base to the values of its pre-training mix that differ from the first's"
    )
    model: dict[str, str | int | float] = Field(description="architecture, or the checkpoint")
    versions: dict[str, str] = Field(description="package to version")
    hardware: str
    config: dict[str, object] = Field(description="the whole configuration as it ran")
    config_hash: str


class GateResult(Record):
    """What one base had to be able to do before it was used, measured on validation tasks."""

    seed: int
    name: str
    value: Interval = Field(description="success measured")
    low: float = Field(description="least demanded")
    high: float = Field(description="most demanded")
    passed: bool
