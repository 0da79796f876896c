"""The schema of `results.json`: every number of a study, and all that the report is drawn from."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

LabelName: TypeAlias = Literal["in_reach", "out_of_reach", "undecided"]
ChangeName: TypeAlias = Literal["created", "elicited", "kept", "lost", "unreached", "undecided"]
VerdictName: TypeAlias = Literal["creation", "elicitation", "shrinkage", "inconclusive"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Record):
    """A point estimate with its interval; `n` says on how many draws or tasks it stands."""

    estimate: float
    low: float = Field(description="lower end")
    high: float = Field(description="upper end")
    n: int = Field(description="draws of a probability, else tasks or, over all families, families")


class InterfaceInfo(_Record):
    """The tools and the information that an evaluation offered."""

    name: str = Field(description="e.g. 'tools', 'no_tools'")
    description: str
    tools: list[str]
    information: Literal["full", "withheld", "shuffled"] = Field(
        description="what search finds: facts, nothing, or facts of other documents"
    )


class PolicyInfo(_Record):
    """The base or one arm, over all of its seeds."""

    name: str
    label: str = Field(description="for figures, short")
    description: str = Field(description="how it was trained, one sentence")
    is_base: bool
    base: str = Field(description="the base it was trained from; a base's own name")
    control_for: list[str] = Field(description="arms that must create more than this one")
    train_interface: str | None = Field(description="interface it was trained in; null for base")
    seeds: list[int]


class EvaluationInfo(_Record):
    """A further look at policies, by fixed draws at the held-out tasks."""

    name: str
    label: str = Field(description="for figures, short")
    description: str
    of: Literal["base", "arms", "all"] = Field(description="who is looked at")
    interface: str
    world_seed: int = Field(description="of the world that its tasks ask about")
    elicits: bool = Field(description="whether it lets the policy act otherwise than measured")


class SampleBudget(_Record):
    """One value of B and the success probabilities that its labels turn on."""

    attempts: int = Field(description="B, independent attempts a task")
    p_in: float = Field(description="from here on solved within B attempts more likely than not")
    p_out: float = Field(description="up to here solved within B attempts in under 5 % of cases")
    headline: bool = Field(description="whether verdicts are given at this B")


class Setting(_Record):
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


class TaskMeasurement(_Record):
    """One policy seed on one held-out task through one interface."""

    policy: str
    seed: int
    interface: str
    family: str
    task: str = Field(description="id of the task")
    n: int = Field(description="first attempts scored, which estimates rest on")
    c: int = Field(description="attempts solved among them")
    drawn: int = Field(description="all attempts scored, which labels rest on; 0: none was added")
    solved: int = Field(description="attempts solved among all")
    guesses: int = Field(description="right answers without the evidence, counted as unsolved")
    truncated: int = Field(description="attempts that a budget ended")
    failed: int = Field(description="attempts unscored because infrastructure failed")
    chance: float = Field(description="bound on success without access to the information")
    p: Interval = Field(
        description="success probability: Clopper-Pearson, or anytime-valid where draws were added"
    )
    bound_source: Literal["draws", "chance"] = Field(description="where the upper bound is from")
    labels: dict[int, LabelName] = Field(description="label at each sample budget")


class PassAtK(_Record):
    """One point of a pass@k curve of one policy on one family, pooled over seeds and tasks."""

    policy: str
    interface: str
    family: str
    k: int = Field(description="attempts allowed")
    value: Interval = Field(description="n counts the tasks; hierarchical bootstrap band")
    draws: int = Field(description="smallest number of draws of any task in it")


class SupportFlow(_Record):
    """What one arm's training did to the held-out tasks of one family, per seed."""

    policy: str
    seed: int
    reference: str = Field(description="interface of the base it is compared with")
    interface: str
    family: str
    attempts: int = Field(description="the sample budget B of the labels")
    counts: dict[ChangeName, int] = Field(description="tasks by change")
    excluded_by_chance: int = Field(description="tasks that chance alone could solve within B")


class ArmVerdict(_Record):
    """What training did, for one arm, over families or within one family."""

    policy: str
    family: str = Field(description="a family, or 'all'")
    attempts: int = Field(description="the sample budget B")
    verdicts: list[VerdictName] = Field(description="creation and shrinkage can both hold")
    sentence: str = Field(description="the verdict in words, generated from the numbers")
    created_share: Interval = Field(description="one-sided bounds at alpha, as all of a verdict")
    lost_share: Interval
    noise_floor: float = Field(description="created share of base against itself")
    pass_at_1_gain: Interval
    pass_at_b_gain: Interval
    seeds_agreeing: int = Field(description="seeds whose own created share is large enough")
    seeds: int
    further_draws: int | None = Field(description="draws that would decide it, when inconclusive")


class InterfaceEffect(_Record):
    """Base without tools against base with them: the tools' own doing, never training's."""

    base: str
    family: str
    without: Interval = Field(description="share of tasks in reach of the base without tools")
    with_tools: Interval = Field(description="the same with tools")
    gained_tasks: int = Field(description="out of reach without, in reach with, on every seed")
    tasks: int


class EvaluationScore(_Record):
    """What one further look showed of one policy on one family, over all seeds."""

    evaluation: str
    policy: str
    family: str
    pass_at_1: Interval = Field(description="over tasks; hierarchical bootstrap band")
    in_reach: int = Field(description="pairs of task and seed in reach at the headline budget")
    reached_created: int = Field(
        description="of these, pairs that some arm was found to have created"
    )
    tasks: int = Field(description="pairs of task and seed")
    draws: int = Field(description="attempts at each")


class SamplingEconomy(_Record):
    """What adding draws where labels lacked them saved, for one policy seed."""

    policy: str
    seed: int
    interface: str
    tasks: int
    labelled: int = Field(description="tasks that have a label at the headline budget")
    drawn: int = Field(description="attempts made, over all tasks")
    fixed: int = Field(
        description="attempts of a plan with one number for all tasks that gives the same labels"
    )


class ImportanceEstimate(_Record):
    """A base's success probability on one task, from the draws of base and arms together."""

    base: str
    seed: int
    family: str
    task: str
    estimate: float = Field(description="balance heuristic; unbiased")
    low: float = Field(description="one-sided lower bound at alpha")
    bound: Literal["betting", "markov"] = Field(description="markov where diagnostics failed")
    direct: Interval = Field(description="the same from the base's own first draws alone")
    successes: int
    routes: int = Field(description="distinct token sequences among the successes")
    ess: float = Field(description="effective number of successes")
    largest_share: float = Field(description="of one success in the estimate")
    pareto_k: float | None = Field(
        description="shape of the weights' tail; null: too few of them, or all alike"
    )
    agrees: bool | None = Field(description="with the direct interval; null: too few successes")
    failed: list[str] = Field(description="diagnostics that failed; an empty list proves nothing")


class FreeEnergy(_Record):
    """What one arm's seed paid in divergence on one family, and the least its gain needed."""

    policy: str
    seed: int
    family: str
    kl: Interval = Field(description="KL(arm || base) per attempt, nats, over action tokens")
    least: float = Field(description="kl(p_arm || p_base), the least any reweighting needs, nats")
    eta: float | None = Field(description="least over paid; near 1 is pure reweighting")
    p_arm: float
    p_base: float
    selection_cost: float | None = Field(description="-ln p_base, nats; null where p_base is 0")
    certificate: float = Field(description="p_base is at least this, given what was paid")


class Dynamics(_Record):
    """SRR, NDR, SDS and NSCR of one arm on one family over all seeds; null: nothing to count."""

    policy: str
    family: str
    srr: float | None = Field(description="support retention rate")
    ndr: float | None = Field(description="net discovery rate")
    sds: float | None = Field(description="support dynamic score")
    nscr: float | None = Field(description="net support change rate")
    labelled: int = Field(description="pairs of task and seed that are created, kept or lost")


class Cover(_Record):
    """Cover@tau: the share of tasks whose success probability is at least tau."""

    policy: str
    family: str
    tau: float
    share: Interval
    certified: Interval = Field(description="by lower bounds on each task")


class Crossing(_Record):
    """From how many attempts on the base solves more of a family than the arm does."""

    policy: str
    family: str
    k: int | None = Field(description="null: at no k that the draws allow")


class Composition(_Record):
    """A base on a composite family against the product of its success on the parts."""

    base: str
    seed: int
    family: str
    atoms: list[str]
    expected: float
    measured: Interval
    p_value: float = Field(description="that success is no more than the product")


class ContrastResult(_Record):
    """A difference of created shares between arms, over all families or in one."""

    name: str
    label: str
    family: str
    difference: Interval = Field(description="family-clustered hierarchical bootstrap")
    terms: dict[str, float] = Field(description="created share of each policy in it")


class ComputeMatched(_Record):
    """Support flow at the number of attempts a task that the arm's training would have paid for."""

    policy: str
    seed: int
    attempts: int
    counts: dict[ChangeName, int]


class DiscoveryPoint(_Record):
    """How many distinct training tasks one arm's seed had ever solved by one update."""

    policy: str
    seed: int
    update: int
    family: str
    solved_tasks: int
    tried_tasks: int


class Consumption(_Record):
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


class CurvePoint(_Record):
    """Training-time success of one policy seed on one family at one update."""

    policy: str
    seed: int
    update: int
    family: str
    success: float = Field(description="share of the update's attempts that solved their task")
    n: int = Field(description="attempts")


class ShownCall(_Record):
    """One tool call of a shown turn, with what came back."""

    name: str
    arguments: str = Field(description="JSON, or why they could not be read")
    result: str
    error: bool


class ShownTurn(_Record):
    """One turn of a shown attempt."""

    text: str = Field(description="what the model wrote")
    calls: list[ShownCall]
    logprob: float = Field(description="sum over the turn's sampled tokens, nats")
    tokens: int


class ShownTrajectory(_Record):
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


class GateResult(_Record):
    """What one base had to be able to do before it was used, measured on validation tasks."""

    seed: int
    name: str
    value: Interval = Field(description="success measured")
    low: float = Field(description="least demanded")
    high: float = Field(description="most demanded")
    passed: bool


class Results(_Record):
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
