"""Contrasts between arms on the created share: one arm less another, and tools by information.

A task counts as created for an arm's seed where the arm is in reach and the base of every seed is
out of it, as in a verdict; undecided counts as not created. Arms are paired: the contrast is taken
within each (seed, family, task), and its mean is bounded over clusters, families if there are
several, else tasks (`curves.py`). Few families say little about families: read the contrast within
one family beside that over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reachgym.support.counts import Estimate, Floats, TaskCounts
from reachgym.support.curves import clustered_mean
from reachgym.support.flow import find_reference
from reachgym.support.labels import Label, task_labels, witnessable


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """An arm and the base it is compared with.

    Attributes:
        counts: The arm's records, every seed, through one interface.
        base: The base's on the same tasks, every seed, through the interface it is compared in:
            the arm's own to ask what training created, without tools to ask what the system did.
    """

    counts: Sequence[TaskCounts]
    base: Sequence[TaskCounts]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighted sum of created shares over paired tasks.

    Attributes:
        value: Estimate and bounds; its `n` counts distinct tasks.
        shares: Created share of each arm and its bounds, by its part in the contrast.
        families: Families in it.
        seeds: Training seeds in it.
        excluded: Tasks left out because chance could solve them within B attempts.
    """

    value: Estimate
    shares: Mapping[str, Estimate]
    families: int
    seeds: int
    excluded: int


def created_contrast(
    arm: ArmCounts,
    control: ArmCounts,
    attempts: int,
    alpha: float = 0.05,
) -> Contrast:
    """Created share of an arm less another's: RL - yoked SFT (interaction), RL - RFT (algorithm).

    Args:
        arm: The arm.
        control: The arm it is compared with, same seeds and tasks.
        attempts: Sample budget B.
        alpha: Error of each label, and of the bounds.

    Raises:
        ValueError: The arms were not measured on the same seeds and tasks, or a base not on theirs.
    """
    return _contrast({"arm": (arm, 1), "control": (control, -1)}, attempts, alpha)


def tools_by_information(
    neither: ArmCounts,
    tools: ArmCounts,
    information: ArmCounts,
    both: ArmCounts,
    attempts: int,
    alpha: float = 0.05,
) -> Contrast:
    """Difference in differences `(both - information) - (tools - neither)` on the created share.

    What tools and information create together beyond what each adds to the other's absence; within
    [-2, 2]. Arguments and errors are those of `created_contrast`.
    """
    weighted = {
        "both": (both, 1),
        "information": (information, -1),
        "tools": (tools, -1),
        "neither": (neither, 1),
    }
    return _contrast(weighted, attempts, alpha)


def _contrast(
    arms: Mapping[str, tuple[ArmCounts, int]],
    attempts: int,
    alpha: float,
) -> Contrast:
    tables = {name: _by_task(arm.counts) for name, (arm, _) in arms.items()}
    first = next(iter(tables))
    _check_paired(tables, first)
    keys = sorted(tables[first])
    kept = [
        key
        for key in keys
        if all(witnessable(table[key].chance, attempts) for table in tables.values())
    ]
    if not kept:
        raise ValueError("A contrast needs tasks that chance cannot solve within B attempts.")
    created = {
        name: _created([tables[name][key] for key in kept], arm.base, attempts, alpha)
        for name, (arm, _) in arms.items()
    }
    rows = [tables[first][key] for key in kept]
    values = np.sum([sign * created[name] for name, (_, sign) in arms.items()], axis=0)
    most = len(arms) / 2
    return Contrast(
        value=clustered_mean(rows, values, least=-most, most=most, alpha=alpha),
        shares={name: clustered_mean(rows, flags, alpha=alpha) for name, flags in created.items()},
        families=len({row.family for row in rows}),
        seeds=len({row.seed for row in rows}),
        excluded=len({key[1:] for key in keys}) - len({key[1:] for key in kept}),
    )


_Key = tuple[int, str, str]


def _by_task(counts: Iterable[TaskCounts]) -> dict[_Key, TaskCounts]:
    return {(row.seed, row.family, row.task): row for row in counts}


def _check_paired(tables: Mapping[str, Mapping[_Key, TaskCounts]], first: str) -> None:
    for name, table in tables.items():
        unpaired = sorted(tables[first].keys() ^ table.keys())
        if unpaired:
            seed, family, task = unpaired[0]
            raise ValueError(
                f"A contrast pairs arms on the same seeds and tasks, but only one of {first} and"
                f" {name} was measured on {family}/{task}, seed {seed}; measure both on it."
            )


def _created(
    rows: Sequence[TaskCounts], base: Sequence[TaskCounts], attempts: int, alpha: float
) -> Floats:
    """1 where the arm is in reach and the base of every seed out of it, else 0; one per row."""
    reference = _by_task(base)
    after = task_labels(rows, attempts, alpha)
    out = np.ones(len(rows), dtype=bool)
    for seed in sorted({key[0] for key in reference}):
        before = task_labels(
            [find_reference(reference, seed, row) for row in rows], attempts, alpha
        )
        out &= before == Label.OUT_OF_REACH
    return np.asarray((after == Label.IN_REACH) & out, dtype=np.float64)
