"""The schema of `results.json`: every number of a study, and all that the report is drawn from."""

from __future__ import annotations

from pydantic import Field

from reachgym.study.results.measures import (
    ArmVerdict,
    Composition,
    ComputeMatched,
    ContrastResult,
    Cover,
    Crossing,
    Dynamics,
    EvaluationScore,
    FreeEnergy,
    ImportanceEstimate,
    InterfaceEffect,
    PassAtK,
    SamplingEconomy,
    SupportFlow,
    TaskMeasurement,
)
from reachgym.study.results.records import (
    ChangeName,
    Interval,
    LabelName,
    Record,
    VerdictName,
)
from reachgym.study.results.setting import (
    EvaluationInfo,
    GateResult,
    InterfaceInfo,
    PolicyInfo,
    SampleBudget,
    Setting,
)
from reachgym.study.results.training import (
    Consumption,
    CurvePoint,
    DiscoveryPoint,
    ShownCall,
    ShownTrajectory,
    ShownTurn,
)

__all__ = [
    "SCHEMA_VERSION",
    "ArmVerdict",
    "ChangeName",
    "Composition",
    "ComputeMatched",
    "Consumption",
    "ContrastResult",
    "Cover",
    "Crossing",
    "CurvePoint",
    "DiscoveryPoint",
    "Dynamics",
    "EvaluationInfo",
    "EvaluationScore",
    "FreeEnergy",
    "GateResult",
    "ImportanceEstimate",
    "InterfaceEffect",
    "InterfaceInfo",
    "Interval",
    "LabelName",
    "PassAtK",
    "PolicyInfo",
    "Results",
    "SampleBudget",
    "SamplingEconomy",
    "Setting",
    "ShownCall",
    "ShownTrajectory",
    "ShownTurn",
    "SupportFlow",
    "TaskMeasurement",
    "VerdictName",
]

SCHEMA_VERSION = 1


class Results(Record):
    """A whole study."""

    schema_version: int = SCHEMA_VERSION
    setting: Setting
    gates: list[GateResult]
    measurements: list[TaskMeasurement]
    pass_at_k: list[PassAtK]
    flows: list[SupportFlow]
    verdicts: list[ArmVerdict]
    interface_effects: list[InterfaceEffect]
    dynamics: list[Dynamics] = Field(description="arms, and each base against itself")
    covers: list[Cover]
    crossings: list[Crossing]
    evaluations: list[EvaluationScore]
    economies: list[SamplingEconomy]
    estimates: list[ImportanceEstimate]
    energies: list[FreeEnergy]
    compositions: list[Composition]
    contrasts: list[ContrastResult]
    compute_matched: list[ComputeMatched]
    discoveries: list[DiscoveryPoint]
    consumption: list[Consumption]
    curves: list[CurvePoint]
    trajectories: list[ShownTrajectory]
    stage_seconds: dict[str, float] = Field(description="stage to the wall time it took")
    notes: list[str] = Field(description="what a reader must know: exclusions, failures, skips")
