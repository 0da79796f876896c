"""What training did to each task: created, elicited, kept, lost, unreached or undecided.

Precedence, so that the six exclude each other and leave nothing out (reference, arm):

    out of reach, in reach                          created
    out of reach, out of reach                      unreached
    in reach, out of reach                          lost
    in reach, significantly higher                  elicited
    in reach, in reach                              kept
    anything else                                   undecided

"Significantly higher" is Fisher's exact test, one-sided at alpha: given the total of successes the
arm's count is hypergeometric where both policies succeed equally often, so the level is at most
alpha for every common success probability. Tasks that chance alone could solve within the sample
budget are excluded beforehand and counted.

The rates SRR, NDR, SDS, NSCR are those of "The Invisible Leash" (arXiv 2507.14843, definition 3.3)
with preserved P = kept + elicited, expanded E = created, shrunk S = lost. There they count answers
seen or not seen in a sample; here they count tasks with a certified label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reachgym.support.counts import Draws, Floats, TaskCounts, columns
from reachgym.support.labels import Label, labels, witnessable

# Different draws halved in one array operation: enough to be quick, few enough to be small.
SPLIT_TOGETHER = 64

ChangeArray: TypeAlias = NDArray[np.str_]


class Change(StrEnum):
    """What training did to one task, against a reference."""

    CREATED = "created"
    ELICITED = "elicited"
    KEPT = "kept"
    LOST = "lost"
    UNREACHED = "unreached"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class SupportDynamics:
    """Rates of "The Invisible Leash"; None where nothing is counted below the line.

    Attributes:
        srr: Support retention rate, P / (P + S).
        ndr: Net discovery rate, E / (P + E).
        sds: Support dynamic score, the harmonic mean of the two.
        nscr: Net support change rate, (E - S) / (P + E + S).
    """

    srr: float | None
    ndr: float | None
    sds: float | None
    nscr: float | None


@dataclass(frozen=True, slots=True)
class SupportFlow:
    """What training did to the tasks of one family, for one policy seed.

    Attributes:
        policy: The arm.
        seed: Its training run.
        family: The family counted.
        attempts: The sample budget B of the labels.
        counts: Tasks by change; expected, not whole, numbers for base against itself.
        excluded_by_chance: Tasks left out because chance could solve them within B attempts.
    """

    policy: str
    seed: int
    family: str
    attempts: int
    counts: Mapping[Change, float]
    excluded_by_chance: int

    @property
    def dynamics(self) -> SupportDynamics:
        """SRR, NDR, SDS and NSCR over the labelled tasks."""
        return support_dynamics(self.counts)


def significantly_higher(reference: Draws, arm: Draws) -> Floats:
    """P-values of Fisher's exact one-sided test that the arm succeeds more often."""
    n0, c0 = np.asarray(reference.n), np.asarray(reference.c)
    n1, c1 = np.asarray(arm.n), np.asarray(arm.c)
    return np.asarray(stats.hypergeom.sf(c1 - 1, n0 + n1, c0 + c1, n1), dtype=np.float64)


def changes(reference: Draws, arm: Draws, attempts: int, alpha: float = 0.05) -> ChangeArray:
    """The change of every task; draws broadcast, and the result equals `Change` members.

    Args:
        reference: Draws of the base that the arm is compared with.
        arm: Draws of the arm.
        attempts: Sample budget B.
        alpha: Error of each label and of the test between `kept` and `elicited`.
    """
    before = labels(*reference, attempts=attempts, alpha=alpha)
    after = labels(*arm, attempts=attempts, alpha=alpha)
    higher = significantly_higher(reference, arm) <= alpha
    was_out, was_in = before == Label.OUT_OF_REACH, before == Label.IN_REACH
    is_out, is_in = after == Label.OUT_OF_REACH, after == Label.IN_REACH
    cases = {
        Change.CREATED: was_out & is_in,
        Change.UNREACHED: was_out & is_out,
        Change.LOST: was_in & is_out,
        Change.ELICITED: was_in & higher,
        Change.KEPT: was_in & is_in,
    }
    names = [change.value for change in cases]
    return np.asarray(np.select(list(cases.values()), names, default=Change.UNDECIDED.value))


def support_dynamics(counts: Mapping[Change, float]) -> SupportDynamics:
    """SRR, NDR, SDS and NSCR (arXiv 2507.14843, definition 3.3) from counts of changes."""
    preserved = counts.get(Change.KEPT, 0) + counts.get(Change.ELICITED, 0)
    expanded, shrunk = counts.get(Change.CREATED, 0), counts.get(Change.LOST, 0)
    srr = _ratio(preserved, preserved + shrunk)
    ndr = _ratio(expanded, preserved + expanded)
    sds = None if srr is None or ndr is None else _ratio(2 * srr * ndr, srr + ndr)
    return SupportDynamics(srr, ndr, sds, _ratio(expanded - shrunk, preserved + expanded + shrunk))


def reference_seed(seed: int, base_seeds: Iterable[int]) -> int:
    """The base seed that an arm's seed is compared with: its own, or the only one there is.

    Raises:
        ValueError: There are several base seeds, and none is the arm's.
    """
    known = sorted(set(base_seeds))
    if seed in known:
        return seed
    if len(known) == 1:
        return known[0]
    raise ValueError(
        f"Arm seed {seed} has no reference: the base has the seeds {known}. Measure the base that"
        " this seed started from, or give a single base for all seeds."
    )


def support_flows(
    arm: Iterable[TaskCounts], base: Iterable[TaskCounts], attempts: int, alpha: float = 0.05
) -> list[SupportFlow]:
    """What training did, one record per (policy, seed, family) of `arm`, in order of appearance.

    Args:
        arm: Counts of one arm or of several, through the interface that is judged.
        base: Counts of the base: through the same interface (did training create anything?), or
            without tools (did the system gain reach?). Two references, two calls.
        attempts: Sample budget B.
        alpha: Error of each label.

    Raises:
        ValueError: A task or a seed of the arm was not measured on the base.
    """
    reference = {(row.seed, row.family, row.task): row for row in base}
    seeds = {seed for seed, _, _ in reference}
    groups: dict[tuple[str, int, str], list[TaskCounts]] = {}
    for row in arm:
        groups.setdefault((row.policy, row.seed, row.family), []).append(row)
    flows = []
    for (policy, seed, family), rows in groups.items():
        kept = [row for row in rows if witnessable(row.chance, attempts)]
        own = reference_seed(seed, seeds)
        before = [find_reference(reference, own, row) for row in kept]
        counts = _tally(changes(columns(before), columns(kept), attempts, alpha))
        flows.append(SupportFlow(policy, seed, family, attempts, counts, len(rows) - len(kept)))
    return flows


def noise_floor(
    base: Iterable[TaskCounts], attempts: int, alpha: float = 0.05
) -> list[SupportFlow]:
    """The base against itself: one half of its draws as reference, the other half as arm.

    Exact expectation over all ways to split the draws (given c of n, the successes in one half are
    hypergeometric), so the counts are not whole numbers and no random generator is involved. Both
    halves are smaller than the whole, so more tasks are undecided here than against an arm.
    """
    groups: dict[tuple[str, int, str], list[TaskCounts]] = {}
    for row in base:
        groups.setdefault((row.policy, row.seed, row.family), []).append(row)
    flows = []
    for (policy, seed, family), rows in groups.items():
        kept = [row for row in rows if witnessable(row.chance, attempts)]
        alike = Counter((row.all_n, row.all_c, row.chance_bound) for row in kept)
        draws = sorted(alike)
        parts = [draws[at : at + SPLIT_TOGETHER] for at in range(0, len(draws), SPLIT_TOGETHER)]
        halves = [_split({one: alike[one] for one in part}, attempts, alpha) for part in parts]
        counts = {change: sum(half[change] for half in halves) for change in Change}
        flows.append(SupportFlow(policy, seed, family, attempts, counts, len(rows) - len(kept)))
    return flows


def find_reference(
    reference: Mapping[tuple[int, str, str], TaskCounts], seed: int, row: TaskCounts
) -> TaskCounts:
    """The base's record of the task of `row`.

    Raises:
        ValueError: The base of that seed was not measured on the task.
    """
    try:
        return reference[seed, row.family, row.task]
    except KeyError:
        raise ValueError(
            f"{row.policy} was measured on {row.family}/{row.task}, the base of seed {seed} was"
            " not; measure both on the same tasks."
        ) from None


def _tally(found: ChangeArray) -> dict[Change, float]:
    return {change: int((found == change).sum()) for change in Change}


def _split(
    tasks_by_draws: Mapping[tuple[int, int, float], int], attempts: int, alpha: float
) -> dict[Change, float]:
    """Expected tasks by change between two random halves of their draws (n, c, chance bound)."""
    n, c, bound = (np.array(column) for column in zip(*tasks_by_draws, strict=True))
    first = n // 2
    fewest = np.maximum(0, c - (n - first))
    ways = np.minimum(c, first) - fewest + 1
    row = np.repeat(np.arange(n.size), ways)
    c0 = fewest[row] + np.arange(row.size) - (np.cumsum(ways) - ways)[row]
    tasks = np.array(list(tasks_by_draws.values()))
    weight = tasks[row] * stats.hypergeom.pmf(c0, n[row], c[row], first[row])
    halves = Draws(first[row], c0, bound[row]), Draws((n - first)[row], c[row] - c0, bound[row])
    found = changes(*halves, attempts, alpha)
    return {change: float(weight[found == change].sum()) for change in Change}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
