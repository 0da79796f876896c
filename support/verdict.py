"""What training did, per arm and family and over all families: the verdict.

A verdict holds any of creation, elicitation and shrinkage, or is inconclusive. Each claim is an
intersection of tests, so its p-value is the largest among them; p-values are Holm-corrected over
arms, per claim and family, and a claim is made where the corrected p-value is at most alpha.

**Creation**: the created share is above the threshold, the larger of the declared minimum and the
noise floor (base against itself); it is above every control arm's (exact sign test over clusters);
and on most seeds the bound of that seed alone is above the threshold. A task is created only where
the base of *every* seed is out of reach. Undecided tasks stay in the share's denominator, and so
count against creation. Where nothing was created, each task is labelled created with probability at
most alpha <= minimum, so a false creation has probability at most alpha.

**Elicitation**: pass@1 is up on average, pass@B is within ±delta of the base's (TOST), and the
share created *or not excluded from it* is below the minimum. Undecided tasks count against
elicitation as well. With m arms, and K clusters on each of which pass@1 rises by g and pass@B not
at all, it needs `(1 - min(minimum, delta))**K <= alpha / m` (29 tasks for one arm at 0.1, 17 for
six at 0.25) and `(1 + g)**-K <= alpha / m` (a rise of 0.11 and of 0.33 there).

**Shrinkage**: pass@B is down by more than delta, or more clusters lost than created (exact
McNemar), at twice the smaller p-value.

Clusters are tasks within a family. Over all families they are the families themselves, whatever
their number of tasks, because a family that was created wholly is one observation about families.
With few families little can be said of "families like these": creation needs 3 of 6 at a minimum
of 0.1, and elicitation needs dozens. There the verdicts per family carry the weight. Bounds are
those of `hypotheses.mean_above`, exact for shares of whole tasks: 16 of 16 bounds the share by
0.83, not by 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from reachgym.support import hypotheses as tests
from reachgym.support.counts import Estimate, Floats, TaskCounts
from reachgym.support.evidence import (
    ALL_FAMILIES,
    ArmEvidence,
    Cell,
    Rules,
    family_cell,
    pooled_cell,
)
from reachgym.support.flow import Change, noise_floor
from reachgym.support.projection import projected


class Claim(StrEnum):
    """What a verdict can say; creation and shrinkage can both hold."""

    CREATION = "creation"
    ELICITATION = "elicitation"
    SHRINKAGE = "shrinkage"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What training did, for one arm on one family or on all.

    Bounds are one-sided, each at level alpha, uncorrected: they are what the claims turn on.

    Attributes:
        policy: The arm.
        rules: What was declared.
        claims: What holds, or only `INCONCLUSIVE`.
        p_values: Holm-corrected over arms, by claim.
        created_share: Estimate and lower bound from tasks created; the upper bound also counts
            the tasks that draws do not exclude. `n` counts clusters, here and below.
        lost_share: Share of tasks lost, bounded in the same way.
        pass_at_1_gain: pass@1 of the arm less the base's.
        pass_at_b_gain: pass@B of the arm less the base's.
        seeds_agreeing: Seeds whose own created share is above the threshold.
        seeds: Training seeds of the arm.
        further_draws: Draws, base and arm together, that would give every task its label and so
            decide it, if successes keep their observed rates; None where that would not.
        cell: The evidence it rests on.
    """

    policy: str
    rules: Rules
    claims: tuple[Claim, ...]
    p_values: Mapping[Claim, float]
    created_share: Estimate
    lost_share: Estimate
    pass_at_1_gain: Estimate
    pass_at_b_gain: Estimate
    seeds_agreeing: int
    seeds: int
    further_draws: int | None
    cell: Cell

    @property
    def family(self) -> str:
        """The family it speaks of, or "all"."""
        return self.cell.family


def judge(arms: Sequence[ArmEvidence], base: Sequence[TaskCounts], rules: Rules) -> list[Verdict]:
    """The verdict of every arm on every family, then, with two or more families, on all.

    Args:
        arms: Every arm of the study, so that the correction knows how many there are.
        base: Records of the base, every seed, through the interface it is compared in. Through
            the arms' own interface the verdict is about training; without tools it is about the
            whole system, tools included.
        rules: What was declared before looking.

    Raises:
        ValueError: Arms, base and controls were not measured on the same tasks, or a task has
            fewer than B draws.
    """
    floors = _noise_floors(base, rules)
    groups = _groups(arms, base, floors, rules)
    verdicts = [verdict for group in groups for verdict in _verdicts(group, rules)]
    if all(Claim.INCONCLUSIVE not in verdict.claims for verdict in verdicts):
        return verdicts
    later_base, base_draws = projected(base, rules)
    later, draws = [], {}
    for arm in arms:
        counts, made = projected(arm.counts, rules)
        later.append(replace(arm, counts=counts))
        draws[arm.policy] = {family: made[family] + base_draws[family] for family in made}
    later_groups = _groups(later, later_base, floors, rules)
    decided = [claims for group in later_groups for claims in _claims(group, rules)]
    return [
        _with_further_draws(verdict, then, draws[verdict.policy])
        for verdict, then in zip(verdicts, decided, strict=True)
    ]


def _groups(
    arms: Sequence[ArmEvidence],
    base: Sequence[TaskCounts],
    floors: Mapping[str, float],
    rules: Rules,
) -> list[list[tuple[str, Cell]]]:
    """Every arm's cell, grouped by family, then those over all families."""
    families = list(dict.fromkeys(row.family for arm in arms for row in arm.counts))
    by_family: dict[str, list[tuple[str, Cell]]] = {family: [] for family in families}
    pooled = []
    for arm in arms:
        present = dict.fromkeys(row.family for row in arm.counts)
        cells = [
            family_cell(arm, base, family, floors.get(family, 0.0), rules) for family in present
        ]
        for cell in cells:
            by_family[cell.family].append((arm.policy, cell))
        counted = [cell for cell in cells if cell.tasks]
        if len(counted) > 1:
            pooled.append((arm.policy, pooled_cell(counted)))
    return [*by_family.values(), pooled]


def _verdicts(group: Sequence[tuple[str, Cell]], rules: Rules) -> list[Verdict]:
    """The verdicts of all arms on the same family."""
    corrected = _p_values(group, rules)
    return [
        _verdict(policy, cell, p_values, rules)
        for (policy, cell), p_values in zip(group, corrected, strict=True)
    ]


def _claims(group: Sequence[tuple[str, Cell]], rules: Rules) -> list[tuple[Claim, ...]]:
    """What holds of each arm on the same family."""
    return [_made(p_values, rules) for p_values in _p_values(group, rules)]


def _p_values(group: Sequence[tuple[str, Cell]], rules: Rules) -> list[dict[Claim, float]]:
    """Each arm's p-values by claim, corrected over the arms."""
    cells = [cell for _, cell in group]
    corrected = {
        claim: tests.holm([test(cell, rules) for cell in cells]) for claim, test in _TESTS.items()
    }
    return [{claim: p[index] for claim, p in corrected.items()} for index in range(len(cells))]


def _made(p_values: Mapping[Claim, float], rules: Rules) -> tuple[Claim, ...]:
    claims = tuple(claim for claim, p in p_values.items() if p <= rules.alpha)
    return claims or (Claim.INCONCLUSIVE,)


def _verdict(policy: str, cell: Cell, p_values: Mapping[Claim, float], rules: Rules) -> Verdict:
    return Verdict(
        policy=policy,
        rules=rules,
        claims=_made(p_values, rules),
        p_values=p_values,
        created_share=_share(cell.created, cell.maybe_created, rules.alpha),
        lost_share=_share(cell.lost, cell.maybe_lost, rules.alpha),
        pass_at_1_gain=_gain(cell.gain_1.mean(axis=0), rules.alpha),
        pass_at_b_gain=_gain(cell.gain_b.mean(axis=0), rules.alpha),
        seeds_agreeing=_agreeing(cell, rules),
        seeds=len(cell.created),
        further_draws=None,
        cell=cell,
    )


def _creation(cell: Cell, rules: Rules) -> float:
    if 2 * _agreeing(cell, rules) <= len(cell.created):
        return 1.0
    share = tests.mean_above(cell.created.mean(axis=0), _threshold(cell, rules))
    return max([share, *(tests.sign_test(beyond) for beyond in cell.beyond_controls.values())])


def _elicitation(cell: Cell, rules: Rules) -> float:
    return max(
        tests.mean_above(cell.gain_1.mean(axis=0), 0.0, least=-1.0),
        tests.equivalence(cell.gain_b.mean(axis=0), rules.delta),
        tests.mean_below(cell.maybe_created.mean(axis=0), rules.minimum_share),
    )


def _shrinkage(cell: Cell, rules: Rules) -> float:
    down = tests.mean_below(cell.gain_b.mean(axis=0), -rules.delta)
    lost = tests.sign_test(cell.lost.mean(axis=0) - cell.created.mean(axis=0))
    return min(1.0, 2 * min(down, lost))


_TESTS: dict[Claim, Callable[[Cell, Rules], float]] = {
    Claim.CREATION: _creation,
    Claim.ELICITATION: _elicitation,
    Claim.SHRINKAGE: _shrinkage,
}


def _threshold(cell: Cell, rules: Rules) -> float:
    return max(rules.minimum_share, cell.noise_floor)


def _agreeing(cell: Cell, rules: Rules) -> int:
    bounds = [tests.mean_lower(created, rules.alpha) for created in cell.created]
    return sum(bound > _threshold(cell, rules) for bound in bounds)


def _share(certain: Floats, possible: Floats, alpha: float) -> Estimate:
    """A share over clusters: what is certain bounds it below, what is not excluded above."""
    values = certain.mean(axis=0)
    estimate = float(values.mean()) if len(values) else 0.0
    low = tests.mean_lower(values, alpha)
    return Estimate(estimate, low, tests.mean_upper(possible.mean(axis=0), alpha), len(values))


def _gain(values: Floats, alpha: float) -> Estimate:
    estimate = float(values.mean()) if len(values) else 0.0
    low, high = tests.mean_lower(values, alpha, least=-1.0), tests.mean_upper(values, alpha)
    return Estimate(estimate, low, high, len(values))


def _noise_floors(base: Iterable[TaskCounts], rules: Rules) -> dict[str, float]:
    """Created share of the base against itself, by family, a mean over its seeds."""
    shares: dict[str, list[float]] = {}
    for flow in noise_floor(base, rules.attempts, rules.alpha):
        tasks = sum(flow.counts.values())
        share = flow.counts[Change.CREATED] / tasks if tasks else 0.0
        shares.setdefault(flow.family, []).append(share)
    return {family: float(np.mean(values)) for family, values in shares.items()}


def _with_further_draws(
    verdict: Verdict, then: tuple[Claim, ...], draws: Mapping[str, int]
) -> Verdict:
    """The verdict with the draws that would decide it, where they would."""
    made = sum(draws.values()) if verdict.family == ALL_FAMILIES else draws[verdict.family]
    inconclusive = Claim.INCONCLUSIVE in verdict.claims
    if not inconclusive or Claim.INCONCLUSIVE in then or not made:
        return verdict
    return replace(verdict, further_draws=made)
