"""The part of `results.json` that says what was drawn, and what follows from it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reachgym.study.results.records import ChangeName, Interval, LabelName, Record, VerdictName


class TaskMeasurement(Record):
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


class PassAtK(Record):
    """One point of a pass@k curve of one policy on one family, a mean over tasks and seeds."""

    policy: str
    interface: str
    family: str
    k: int = Field(description="attempts allowed")
    value: Interval = Field(description="bounds over tasks, for the seeds trained; n counts tasks")
    seeds: list[float] = Field(description="the same mean for each seed by itself")
    draws: int = Field(description="smallest number of draws of any task in it")


class SupportFlow(Record):
    """What one arm's training did to the held-out tasks of one family, per seed."""

    policy: str
    seed: int
    reference: str = Field(description="interface of the base it is compared with")
    interface: str
    family: str
    attempts: int = Field(description="the sample budget B of the labels")
    counts: dict[ChangeName, int] = Field(description="tasks by change")
    excluded_by_chance: int = Field(description="tasks that chance alone could solve within B")


class ArmVerdict(Record):
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


class InterfaceEffect(Record):
    """Base without tools against base with them: the tools' own doing, never training's."""

    base: str
    family: str
    without: Interval = Field(description="share of tasks in reach of the base without tools")
    with_tools: Interval = Field(description="the same with tools")
    gained_tasks: int = Field(description="out of reach without, in reach with, on every seed")
    tasks: int


class EvaluationScore(Record):
    """What one further look showed of one policy on one family, over all seeds."""

    evaluation: str
    policy: str
    family: str
    pass_at_1: Interval = Field(description="bounds over tasks, for the seeds trained")
    in_reach: int = Field(description="pairs of task and seed in reach at the headline budget")
    reached_created: int = Field(
        description="of these, pairs that some arm was found to have created"
    )
    tasks: int = Field(description="pairs of task and seed")
    draws: int = Field(description="attempts at each")


class SamplingEconomy(Record):
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


class ImportanceEstimate(Record):
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


class FreeEnergy(Record):
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


class Dynamics(Record):
    """SRR, NDR, SDS and NSCR of one arm on one family over all seeds; null: nothing to count."""

    policy: str
    family: str
    srr: float | None = Field(description="support retention rate")
    ndr: float | None = Field(description="net discovery rate")
    sds: float | None = Field(description="support dynamic score")
    nscr: float | None = Field(description="net support change rate")
    labelled: int = Field(description="pairs of task and seed that are created, kept or lost")


class Cover(Record):
    """Cover@tau: the share of tasks whose success probability is at least tau."""

    policy: str
    family: str
    tau: float
    share: Interval
    certified: Interval = Field(description="by lower bounds on each task")


class Crossing(Record):
    """From how many attempts on the base solves more of a family than the arm does."""

    policy: str
    family: str
    k: int | None = Field(description="null: at no k that the draws allow")


class Composition(Record):
    """A base on a composite family against the product of its success on the parts."""

    base: str
    seed: int
    family: str
    atoms: list[str]
    expected: float
    measured: Interval
    p_value: float = Field(description="that success is no more than the product")


class ContrastResult(Record):
    """A difference of created shares between arms, over all families or in one."""

    name: str
    label: str
    family: str
    difference: Interval = Field(description="bounds over tasks; over families for all")
    terms: dict[str, float] = Field(
        description="created share by part: arm and control, or the four"
    )


class ComputeMatched(Record):
    """Support flow at the number of attempts a task that the arm's training would have paid for."""

    policy: str
    seed: int
    attempts: int
    counts: dict[ChangeName, int]
