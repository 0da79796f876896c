"""The part of `results.json` that says how arms were trained, and shows attempts to read."""

from __future__ import annotations

from pydantic import Field

from reachgym.study.results.records import Record


class DiscoveryPoint(Record):
    """How many distinct training tasks one arm's seed had ever solved by one update."""

    policy: str
    seed: int
    update: int
    family: str
    solved_tasks: int
    tried_tasks: int


class Consumption(Record):
    """What one policy seed consumed to be trained."""

    policy: str
    seed: int
    updates: int
    episodes: int = Field(description="attempts made in training")
    verifier_calls: int
    tool_calls: int
    demonstrations: int = Field(description="distinct ones shown")
    sampled_tokens: int
    gradient_tokens: int = Field(description="tokens that a loss was taken on")
    wall_s: float
    learner_s: float
    rollout_s: float


class CurvePoint(Record):
    """Training-time success of one policy seed on one family at one update."""

    policy: str
    seed: int
    update: int
    family: str
    success: float = Field(description="share of the update's attempts that solved their task")
    n: int = Field(description="attempts")


class ShownCall(Record):
    """One tool call of a shown turn, with what came back."""

    name: str
    arguments: str = Field(description="JSON, or why they could not be read")
    result: str
    error: bool


class ShownTurn(Record):
    """One turn of a shown attempt."""

    text: str = Field(description="what the model wrote")
    calls: list[ShownCall]
    logprob: float = Field(description="sum over the turn's sampled tokens, nats")
    tokens: int


class ShownTrajectory(Record):
    """One attempt to read."""

    policy: str
    seed: int
    interface: str
    family: str
    task: str
    prompt: str
    gold: str
    turns: list[ShownTurn]
    passed: bool | None = Field(description="null is unscored")
    reward: float | None
    stop_reason: str
    explanation: str = Field(description="the verifier's words")
    why_shown: str = Field(description="the rule that chose it")
