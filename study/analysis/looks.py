"""Further looks at the same policies: evaluations, contrasts, compositions, what draws saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reachgym.study import results as out
from reachgym.study.analysis.groups import Group
from reachgym.study.analysis.support import by_family, interval
from reachgym.study.config.measurement import ContrastConfig, DifferenceConfig
from reachgym.study.config.study import StudyConfig
from reachgym.study.folder import StudyFolder
from reachgym.study.measured import Measured, evaluation_counts, whole
from reachgym.support import (
    ArmCounts,
    Change,
    Composite,
    Contrast,
    Label,
    TaskCounts,
    composition_test,
    created_contrast,
    fixed_plan,
    pass_at_k_curve,
    support_flows,
    task_labels,
    tools_by_information,
)

# A step of learning reads a token forwards and twice backwards; sampling reads it once.
_GRADIENT_COST = 3


def evaluations(
    config: StudyConfig, folder: StudyFolder, group: Group
) -> Iterator[out.EvaluationScore]:
    """What each further look showed of each policy, by family."""
    plan = config.measurement
    created = _created_tasks(config, group)
    for name in config.evaluations:
        for policy in (group.name, *group.arms):
            rows = evaluation_counts(config, folder, name, policy)
            for family, own in by_family(rows):
                (first,) = pass_at_k_curve(own, [1], plan.alpha)
                reached = task_labels(own, plan.headline, plan.alpha) == Label.IN_REACH
                pairs = zip(own, reached, strict=True)
                yield out.EvaluationScore(
                    evaluation=name,
                    policy=policy,
                    family=family,
                    pass_at_1=interval(first.value),
                    in_reach=int(reached.sum()),
                    reached_created=sum(
                        bool(inside) and (row.seed, family, row.task) in created
                        for row, inside in pairs
                    ),
                    tasks=len(own),
                    draws=min(row.n for row in own),
                )


def _created_tasks(config: StudyConfig, group: Group) -> set[tuple[int, str, str]]:
    """Pairs of seed and task that some arm created."""
    plan = config.measurement
    base = {(r.seed, r.family, r.task): r for r in group.base}
    found = set()
    for rows in group.arms.values():
        before = task_labels(
            (base[r.seed, r.family, r.task] for r in rows), plan.headline, plan.alpha
        )
        after = task_labels(rows, plan.headline, plan.alpha)
        new = (before == Label.OUT_OF_REACH) & (after == Label.IN_REACH)
        found |= {(r.seed, r.family, r.task) for r, is_new in zip(rows, new, strict=True) if is_new}
    return found


def economies(config: StudyConfig, measured: Sequence[Measured]) -> Iterator[out.SamplingEconomy]:
    """What adding draws only where labels lacked them saved."""
    plan = config.measurement
    for m in measured:
        counts = [row for row in m.counts() if row.drawn and not row.chance_bounds]
        if not counts:
            continue
        n, c = [row.drawn for row in counts], [row.solved for row in counts]
        labelled = task_labels(counts, plan.headline, plan.alpha) != Label.UNDECIDED
        yield out.SamplingEconomy(
            policy=m.policy,
            seed=m.seed,
            interface=m.interface,
            tasks=len(counts),
            labelled=int(labelled.sum()),
            drawn=sum(n),
            fixed=len(counts) * fixed_plan(n, c, attempts=plan.headline, alpha=plan.alpha),
        )


def compositions(config: StudyConfig, group: Group) -> Iterator[out.Composition]:
    """Each composite family of a base against the product of its success on the parts."""
    for seed in config.seeds:
        own = dict(by_family(row for row in group.base if row.seed == seed))
        for name, family in config.families.items():
            if not family.atoms:
                continue
            atoms = tuple(_pooled(own[atom]) for atom in family.atoms)
            found = composition_test(
                [Composite(_pooled(own[name]), atoms)], config.measurement.alpha
            )
            yield out.Composition(
                base=group.name,
                seed=seed,
                family=name,
                atoms=family.atoms,
                expected=found.product.estimate,
                measured=interval(found.measured),
                p_value=found.p_value,
            )


def _pooled(rows: Sequence[TaskCounts]) -> TaskCounts:
    """A family as one task: held-out composites are not made of held-out atoms."""
    first = rows[0]
    n, c = sum(row.n for row in rows), sum(row.c for row in rows)
    return TaskCounts(first.policy, first.seed, first.family, first.family, n, c)


def contrasts(config: StudyConfig, group: Group) -> Iterator[out.ContrastResult]:
    """Differences of created shares between arms, over all families and in each."""
    plan = config.measurement
    for name, contrast in config.contrasts.items():
        if not set(contrast.policies()) <= group.arms.keys():
            continue
        for family in ("all", *config.families):
            counts = {
                policy: ArmCounts(_within(group.arms[policy], family), _within(group.base, family))
                for policy in contrast.policies()
            }
            found = _contrast(contrast, counts, plan.headline, plan.alpha)
            yield out.ContrastResult(
                name=name,
                label=contrast.label,
                family=family,
                difference=interval(found.value),
                terms={part: share.estimate for part, share in found.shares.items()},
            )


def _contrast(
    contrast: ContrastConfig,
    counts: dict[str, ArmCounts],
    attempts: int,
    alpha: float,
) -> Contrast:
    if isinstance(contrast, DifferenceConfig):
        return created_contrast(counts[contrast.arm], counts[contrast.control], attempts, alpha)
    return tools_by_information(
        counts[contrast.neither],
        counts[contrast.tools],
        counts[contrast.information],
        counts[contrast.both],
        attempts,
        alpha,
    )


def _within(rows: Sequence[TaskCounts], family: str) -> list[TaskCounts]:
    return [row for row in rows if family in ("all", row.family)]


def compute_matched(
    config: StudyConfig,
    group: Group,
    consumed: Sequence[out.Consumption],
    measured: Sequence[Measured],
) -> Iterator[out.ComputeMatched]:
    """Support flow at the attempts a task that the base could make for an arm's training.

    Cost is counted in tokens: sampled ones once, those that a gradient went through three times.
    """
    plan = config.measurement
    for spent in consumed:
        if spent.policy not in group.arms:
            continue
        (own,) = (
            m
            for m in measured
            if (m.policy, m.seed, m.interface) == (group.name, spent.seed, plan.interface)
        )
        rows = [row for row in group.arms[spent.policy] if row.seed == spent.seed]
        per_attempt = _tokens_per_attempt(own)
        cost = spent.sampled_tokens + _GRADIENT_COST * spent.gradient_tokens
        attempts = max(1, round(cost / (per_attempt * len(rows))))
        counts: dict[out.ChangeName, int] = dict.fromkeys((c.value for c in Change), 0)
        for flow in support_flows(rows, group.base, attempts, plan.alpha):
            for change, count in flow.counts.items():
                counts[change.value] += int(count)
        yield out.ComputeMatched(
            policy=spent.policy, seed=spent.seed, attempts=attempts, counts=counts
        )


def _tokens_per_attempt(measured: Measured) -> float:
    tokens = sum(whole(row["action_tokens"]) for row in measured.rows)
    made = sum(whole(row["drawn"]) or whole(row["n"]) for row in measured.rows)
    return max(tokens, 1) / max(made, 1)
