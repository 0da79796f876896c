"""What was drawn, and what it says of reach: measurements, curves, flows, verdicts, effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from reachgym.study import results as out
from reachgym.study.analysis.groups import Group
from reachgym.study.config.study import StudyConfig
from reachgym.study.measured import Measured, whole
from reachgym.support import (
    ArmEvidence,
    Change,
    Estimate,
    Rules,
    TaskCounts,
    Verdict,
    anytime_lower,
    anytime_upper,
    bound_source,
    clopper_pearson,
    cover_at,
    describe,
    interface_effects,
    judge,
    label,
    noise_floor,
    pass_at_k_curve,
    support_dynamics,
    support_flows,
)

_LONGEST_CURVE = 2**10
_TAUS = (0.1, 0.5, 0.9)


def measurements(config: StudyConfig, measured: Measured) -> Iterator[out.TaskMeasurement]:
    """One record a task, of one policy seed through one interface."""
    plan = config.measurement
    for row, counts in zip(measured.rows, measured.counts(), strict=True):
        drawn = (counts.drawn, counts.solved)
        bound = counts.chance_bound
        yield out.TaskMeasurement(
            policy=measured.policy,
            seed=measured.seed,
            interface=measured.interface,
            family=counts.family,
            task=counts.task,
            n=counts.n,
            c=counts.c,
            drawn=counts.drawn,
            solved=counts.solved,
            guesses=whole(row["guesses"]),
            truncated=whole(row["truncated"]),
            failed=whole(row["failed"]),
            chance=counts.chance,
            p=probability(counts, plan.alpha),
            bound_source=bound_source(counts.n, counts.c, plan.alpha, bound, *drawn),
            labels={
                b: label(counts.n, counts.c, b, plan.alpha, bound, *drawn).value
                for b in plan.sample_budgets
            },
        )


def probability(counts: TaskCounts, alpha: float) -> out.Interval:
    """The success probability on one task, by all of its draws."""
    n, c = counts.all_n, counts.all_c
    if counts.drawn:
        low, high = anytime_lower(n, c, alpha), anytime_upper(n, c, alpha)
    else:
        low, high = clopper_pearson(n, c, alpha)
    return out.Interval(estimate=c / max(n, 1), low=float(low), high=float(high), n=n)


def curves(config: StudyConfig, group: Group) -> Iterator[out.PassAtK]:
    """pass@k of a base and its arms, by family."""
    plan = config.measurement
    for policy, rows in {group.name: group.base, **group.arms}.items():
        for family, own in by_family(rows):
            fewest = min(row.n for row in own)
            ks = [2**i for i in range(_LONGEST_CURVE.bit_length()) if 2**i <= fewest]
            for point in pass_at_k_curve(own, ks, plan.alpha):
                yield out.PassAtK(
                    policy=policy,
                    interface=plan.interface,
                    family=family,
                    k=point.k,
                    value=interval(point.value),
                    seeds=list(point.seeds),
                    draws=point.draws,
                )


def crossings(points: Sequence[out.PassAtK], group: Group) -> Iterator[out.Crossing]:
    """From which k on the base's pass@k is above an arm's."""
    value = {(p.policy, p.family, p.k): p.value.estimate for p in points}
    for policy in group.arms:
        for family in dict.fromkeys(row.family for row in group.base):
            ks = sorted(k for p, f, k in value if (p, f) == (policy, family))
            over = [value[group.name, family, k] > value[policy, family, k] for k in ks]
            first = next((k for i, k in enumerate(ks) if all(over[i:])), None)
            yield out.Crossing(policy=policy, family=family, k=first)


def flows(config: StudyConfig, group: Group) -> Iterator[out.SupportFlow]:
    """What became of every task, by arm, seed and family."""
    plan = config.measurement
    for rows in group.arms.values():
        for flow in support_flows(rows, group.base, plan.headline, plan.alpha):
            yield out.SupportFlow(
                policy=flow.policy,
                seed=flow.seed,
                reference=plan.interface,
                interface=plan.interface,
                family=flow.family,
                attempts=flow.attempts,
                counts={change.value: int(count) for change, count in flow.counts.items()},
                excluded_by_chance=flow.excluded_by_chance,
            )


def dynamics(config: StudyConfig, group: Group) -> Iterator[out.Dynamics]:
    """SRR, NDR, SDS and NSCR of every arm, and of the base against itself."""
    plan = config.measurement
    itself = noise_floor(group.base, plan.headline, plan.alpha)
    found = [
        *itself,
        *(
            flow
            for rows in group.arms.values()
            for flow in support_flows(rows, group.base, plan.headline, plan.alpha)
        ),
    ]
    totals: dict[tuple[str, str], Counter[Change]] = {}
    for flow in found:
        totals.setdefault((flow.policy, flow.family), Counter()).update(flow.counts)
    for (policy, family), counts in totals.items():
        rates = support_dynamics(counts)
        labelled = sum(
            counts[c] for c in (Change.CREATED, Change.ELICITED, Change.KEPT, Change.LOST)
        )
        yield out.Dynamics(
            policy=policy,
            family=family,
            srr=rates.srr,
            ndr=rates.ndr,
            sds=rates.sds,
            nscr=rates.nscr,
            labelled=round(labelled),
        )


def verdicts(config: StudyConfig, group: Group) -> Iterator[out.ArmVerdict]:
    """What training did, for every arm, by family and over all."""
    plan = config.measurement
    rules = Rules(plan.headline, plan.alpha, plan.minimum_share, plan.equivalence)
    called = {t.policy: label_of(config, t.policy) for t in config.trained()}
    evidence = [
        ArmEvidence(name, rows, {control: group.arms[control] for control in group.controls[name]})
        for name, rows in group.arms.items()
    ]
    for verdict in judge(evidence, group.base, rules) if evidence else ():
        yield _verdict(verdict, called[verdict.policy])


def _verdict(verdict: Verdict, called: str) -> out.ArmVerdict:
    return out.ArmVerdict(
        policy=verdict.policy,
        family=verdict.family,
        attempts=verdict.rules.attempts,
        verdicts=[claim.value for claim in verdict.claims],
        sentence=describe(replace(verdict, policy=called)),
        created_share=interval(verdict.created_share),
        lost_share=interval(verdict.lost_share),
        noise_floor=verdict.cell.noise_floor,
        pass_at_1_gain=interval(verdict.pass_at_1_gain),
        pass_at_b_gain=interval(verdict.pass_at_b_gain),
        seeds_agreeing=verdict.seeds_agreeing,
        seeds=verdict.seeds,
        further_draws=verdict.further_draws,
    )


def effects(config: StudyConfig, group: Group) -> Iterator[out.InterfaceEffect]:
    """The base without tools against the base with them."""
    plan = config.measurement
    for effect in interface_effects(group.bare, group.base, plan.headline, plan.alpha):
        yield out.InterfaceEffect(
            base=group.name,
            family=effect.family,
            without=interval(effect.without),
            with_tools=interval(effect.with_tools),
            gained_tasks=effect.gained_tasks,
            tasks=effect.tasks,
        )


def covers(config: StudyConfig, group: Group) -> Iterator[out.Cover]:
    """Cover@tau of a base and its arms, by family; a task by its mean over seeds."""
    for policy, rows in {group.name: group.base, **group.arms}.items():
        for family, own in by_family(rows):
            seeds = len({row.seed for row in own})
            by_task = sorted(own, key=lambda row: (row.seed, row.task))
            n, c = (
                np.reshape(column, (seeds, -1))
                for column in zip(*((row.n, row.c) for row in by_task), strict=True)
            )
            for tau in _TAUS:
                found = cover_at(n, c, tau, config.measurement.alpha)
                yield out.Cover(
                    policy=policy,
                    family=family,
                    tau=tau,
                    share=interval(found.plug_in),
                    certified=interval(found.certified),
                )


def by_family(rows: Iterable[TaskCounts]) -> Iterator[tuple[str, list[TaskCounts]]]:
    """Records by family, in order of appearance."""
    found: dict[str, list[TaskCounts]] = {}
    for row in rows:
        found.setdefault(row.family, []).append(row)
    yield from found.items()


def label_of(config: StudyConfig, policy: str) -> str:
    """What figures call a policy."""
    if policy in config.bases:
        return config.bases[policy].label
    (trained,) = (t for t in config.trained() if t.policy == policy)
    first = next(iter(config.bases))
    if trained.base == first:
        return trained.arm.label
    return f"{trained.arm.label}, {config.bases[trained.base].label}"


def interval(estimate: Estimate) -> out.Interval:
    """An estimate as results keep it."""
    return out.Interval(
        estimate=estimate.estimate, low=estimate.low, high=estimate.high, n=estimate.n
    )
