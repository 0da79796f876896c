"""From counts to what a verdict reads: per seed and cluster, how much was created, lost, gained.

Within one family the clusters are its tasks: the held-out tasks are a sample of the family, and
the verdict speaks of the family. Over all families the clusters are the families: one value each,
the mean over its tasks, and the verdict speaks of families like these. Seeds are never clusters:
training runs are too few, so their agreement is counted instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reachgym.support.counts import Flags, Floats, TaskCounts, columns
from reachgym.support.estimators import pass_at_k
from reachgym.support.flow import find_reference, reference_seed
from reachgym.support.labels import Label, LabelArray, task_labels, witnessable

ALL_FAMILIES = "all"


@dataclass(frozen=True, slots=True)
class Rules:
    """What was declared before looking.

    Attributes:
        attempts: The sample budget B that reach is judged at.
        alpha: Error of every label, bound and (Holm-corrected) verdict.
        minimum_share: Created share that counts as creation. At least alpha: where nothing was
            created, up to a share alpha of the tasks is labelled so by chance.
        delta: pass@B within ±delta of the base's is the same.
    """

    attempts: int
    alpha: float = 0.05
    minimum_share: float = 0.1
    delta: float = 0.1

    def __post_init__(self) -> None:
        if not self.alpha <= self.minimum_share < 1.0:
            raise ValueError(
                f"minimum_share must lie in [alpha, 1), got {self.minimum_share} at alpha"
                f" {self.alpha}: up to a share alpha of labels may be wrong."
            )
        if not 0.0 < self.delta < 1.0:
            raise ValueError(f"delta is a margin of pass@B within (0, 1), got {self.delta}.")


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """One arm's draws, and those of the arms that control for it.

    Attributes:
        policy: The arm's name.
        counts: Its records, every seed and family, through the interface that is judged.
        controls: Records of its control arms on the same tasks, by name; the arm must create
            more than each of them.
    """

    policy: str
    counts: Sequence[TaskCounts]
    controls: Mapping[str, Sequence[TaskCounts]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm on one family, or on all: values per seed S and cluster K.

    Attributes:
        family: The family, or "all".
        created: Share created, (S, K): arm in reach, base of every seed out of reach.
        maybe_created: Share created or not excluded from it, (S, K): no base seed in reach, arm
            not out of reach.
        lost: Share lost, (S, K): own base in reach, arm out of reach.
        maybe_lost: Share lost or not excluded from it, (S, K): own base not out of reach, arm not
            in reach.
        gain_1: pass@1 of the arm less its own base's, (S, K).
        gain_b: The same for pass@B.
        beyond_controls: Created share less the control's, mean over seeds, (K,), by control.
        noise_floor: Expected created share of the base against itself.
        tasks: Tasks counted.
        excluded: Tasks left out because chance could solve them within B attempts.
        created_tasks: Tasks created, per seed.
        base_seeds: How many bases there are.
        base_draws: Fewest and most draws of a base on a task.
        base_successes: Most successes of a base on a created task.
        arm_draws: Fewest and most draws of the arm on a task.
    """

    family: str
    created: Floats
    maybe_created: Floats
    lost: Floats
    maybe_lost: Floats
    gain_1: Floats
    gain_b: Floats
    beyond_controls: Mapping[str, Floats]
    noise_floor: float
    tasks: int
    excluded: int
    created_tasks: tuple[int, ...]
    base_seeds: int
    base_draws: tuple[int, int]
    base_successes: int
    arm_draws: tuple[int, int]


def family_cell(
    arm: ArmEvidence, base: Sequence[TaskCounts], family: str, floor: float, rules: Rules
) -> Cell:
    """The evidence on one family, tasks as clusters.

    `base` holds every base seed through the interface it is compared in; `floor` is its created
    share against itself.

    Raises:
        ValueError: Seeds or tasks are missing somewhere, or a task has fewer than B draws.
    """
    measured = _grid(arm.counts, family)
    ours = [[row for row in rows if witnessable(row.chance, rules.attempts)] for rows in measured]
    reference = {(row.seed, row.family, row.task): row for row in base}
    seeds = sorted({row.seed for row in base})
    bases = [[find_reference(reference, seed, row) for row in ours[0]] for seed in seeds]
    own = [seeds.index(reference_seed(rows[0].seed, seeds)) for rows in measured]
    before, after = _labels(bases, rules), _labels(ours, rules)
    base_out = np.all(before == Label.OUT_OF_REACH, axis=0)
    created = (after == Label.IN_REACH) & base_out
    maybe_created = (after != Label.OUT_OF_REACH) & np.all(before != Label.IN_REACH, axis=0)
    lost = (after == Label.OUT_OF_REACH) & (before[own] == Label.IN_REACH)
    maybe_lost = (after != Label.IN_REACH) & (before[own] != Label.OUT_OF_REACH)
    return Cell(
        family=family,
        created=created.astype(float),
        maybe_created=maybe_created.astype(float),
        lost=lost.astype(float),
        maybe_lost=maybe_lost.astype(float),
        gain_1=_pass(ours, 1) - _pass(bases, 1)[own],
        gain_b=_pass(ours, rules.attempts) - _pass(bases, rules.attempts)[own],
        beyond_controls=_beyond_controls(arm, ours[0], created, base_out, rules),
        noise_floor=floor,
        tasks=len(ours[0]),
        excluded=len(measured[0]) - len(ours[0]),
        created_tasks=tuple(int(count) for count in created.sum(axis=1)),
        base_seeds=len(seeds),
        base_draws=_draws(bases),
        base_successes=_most_successes(bases, created.any(axis=0)),
        arm_draws=_draws(ours),
    )


def pooled_cell(cells: Sequence[Cell]) -> Cell:
    """The evidence over all families, families as clusters.

    Args:
        cells: The cells of one arm, one per family, each with at least one task.
    """
    return Cell(
        family=ALL_FAMILIES,
        created=_family_means(cell.created for cell in cells),
        maybe_created=_family_means(cell.maybe_created for cell in cells),
        lost=_family_means(cell.lost for cell in cells),
        maybe_lost=_family_means(cell.maybe_lost for cell in cells),
        gain_1=_family_means(cell.gain_1 for cell in cells),
        gain_b=_family_means(cell.gain_b for cell in cells),
        beyond_controls={
            name: np.array([cell.beyond_controls[name].mean() for cell in cells])
            for name in cells[0].beyond_controls
        },
        noise_floor=float(np.mean([cell.noise_floor for cell in cells])),
        tasks=sum(cell.tasks for cell in cells),
        excluded=sum(cell.excluded for cell in cells),
        created_tasks=tuple(
            sum(counts) for counts in zip(*(c.created_tasks for c in cells), strict=True)
        ),
        base_seeds=cells[0].base_seeds,
        base_draws=_widest(cell.base_draws for cell in cells),
        base_successes=max(cell.base_successes for cell in cells),
        arm_draws=_widest(cell.arm_draws for cell in cells),
    )


def _grid(counts: Sequence[TaskCounts], family: str) -> list[list[TaskCounts]]:
    """The family's records by seed, the same tasks in the same order for every seed."""
    by_seed: dict[int, dict[str, TaskCounts]] = {}
    for row in counts:
        if row.family == family:
            by_seed.setdefault(row.seed, {})[row.task] = row
    tasks = sorted({task for rows in by_seed.values() for task in rows})
    for seed, rows in by_seed.items():
        missing = [task for task in tasks if task not in rows]
        if missing:
            policy = next(iter(rows.values())).policy
            raise ValueError(
                f"{policy}, seed {seed}, was not measured on {family}/{missing[0]}; measure every"
                " seed on the same tasks."
            )
    return [[by_seed[seed][task] for task in tasks] for seed in sorted(by_seed)]


def _labels(grid: Sequence[Sequence[TaskCounts]], rules: Rules) -> LabelArray:
    return np.stack([task_labels(rows, rules.attempts, rules.alpha) for rows in grid])


def _pass(grid: Sequence[Sequence[TaskCounts]], k: int) -> Floats:
    return np.stack([pass_at_k(draws.n, draws.c, k) for draws in map(columns, grid)])


def _beyond_controls(
    arm: ArmEvidence, ours: Sequence[TaskCounts], created: Flags, base_out: Flags, rules: Rules
) -> dict[str, Floats]:
    """Created share of the arm less each control's, per task, means over seeds."""
    beyond = {}
    for name, counts in arm.controls.items():
        found = {(row.seed, row.family, row.task): row for row in counts}
        seeds = sorted({row.seed for row in counts})
        control = [[find_reference(found, seed, row) for row in ours] for seed in seeds]
        theirs = (_labels(control, rules) == Label.IN_REACH) & base_out
        beyond[name] = created.mean(axis=0) - theirs.mean(axis=0)
    return beyond


def _most_successes(grid: Sequence[Sequence[TaskCounts]], tasks: Flags) -> int:
    rows = (row for rows in grid for row, counted in zip(rows, tasks, strict=True) if counted)
    return max((row.all_c for row in rows), default=0)


def _draws(grid: Sequence[Sequence[TaskCounts]]) -> tuple[int, int]:
    return _widest((row.all_n, row.all_n) for rows in grid for row in rows)


def _widest(ranges: Iterable[tuple[int, int]]) -> tuple[int, int]:
    known = list(ranges) or [(0, 0)]
    return min(low for low, _ in known), max(high for _, high in known)


def _family_means(parts: Iterable[Floats]) -> Floats:
    return np.stack([part.mean(axis=1) for part in parts], axis=1)
