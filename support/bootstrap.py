"""Bands by hierarchical bootstrap, seed then family then task then draw, for curves and shares.

Each level is resampled with replacement within the one above; draws of a task are redrawn as
Binomial(n, c/n). The statistic is the mean over seeds of the mean over families of the mean over
tasks, so a family counts the same whatever its number of tasks. A level with a single member adds
no spread. Percentile bands over two seeds or two families are narrower than they should be: the
bootstrap cannot see what it has only two of, and verdicts do not rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reachgym.support.bounds import lower_bound, upper_bound
from reachgym.support.counts import Estimate, Floats, Ints, TaskCounts
from reachgym.support.estimators import pass_at_k


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """pass@k averaged over tasks, with its band.

    Attributes:
        k: Attempts allowed.
        value: Estimate and percentile band; its `n` counts distinct tasks.
        draws: Smallest number of draws of any task in it.
    """

    k: int
    value: Estimate
    draws: int


def pass_at_k_curve(
    counts: Iterable[TaskCounts],
    ks: Sequence[int],
    rng: np.random.Generator,
    replicates: int = 2000,
    alpha: float = 0.05,
) -> list[CurvePoint]:
    """pass@k of one policy over seeds, families and tasks, one point per k.

    Where no draw of any task succeeded (or none failed) a bootstrap has nothing to vary; there the
    open side of the band is the pass@k at the Clopper-Pearson bound of the least-drawn task.

    Args:
        counts: Records of one policy through one interface.
        ks: Attempts allowed, each at most the smallest `n`.
        rng: Source of the replicates.
        replicates: Bootstrap replicates R.
        alpha: The band holds the central 1 - alpha of the replicates.

    Raises:
        ValueError: No records, or k exceeds a task's draws.
    """
    rows = _some(counts)
    n = np.array([row.n for row in rows], dtype=np.int64)
    c = np.array([row.c for row in rows], dtype=np.int64)
    weights = _weights(rows)
    estimates = [float(pass_at_k(n, c, k) @ weights) for k in ks]
    bands = np.quantile(_means(rows, n, c, ks, replicates, rng), [alpha / 2, 1 - alpha / 2], axis=1)
    tasks = len({(row.family, row.task) for row in rows})
    curve = []
    for k, estimate, low, high in zip(ks, estimates, *bands, strict=True):
        band = _open_sides(n, c, k, alpha, (float(low), float(high)))
        curve.append(CurvePoint(k, Estimate(estimate, *band, tasks), int(n.min())))
    return curve


def _means(
    rows: Sequence[TaskCounts],
    n: Ints,
    c: Ints,
    ks: Sequence[int],
    replicates: int,
    rng: np.random.Generator,
) -> Floats:
    """Mean pass@k of every replicate, (K, R); values are looked up by (n, c)."""
    kinds, kind = np.unique(n, return_inverse=True)
    start = np.cumsum(kinds + 1) - (kinds + 1)
    every_n = np.repeat(kinds, kinds + 1)
    every_c = np.arange(every_n.size) - np.repeat(start, kinds + 1)
    tables = [pass_at_k(every_n, every_c, k) for k in ks]
    rates = c / np.maximum(n, 1)
    means = []
    for size in _together(replicates, len(rows)):
        picked, shares = _resample(rows, size, rng)
        redrawn = start[kind[picked]] + rng.binomial(n[picked], rates[picked])
        means.append([(table[redrawn] * shares).sum(axis=1) for table in tables])
    return np.concatenate(means, axis=1)


def _together(replicates: int, rows: int) -> list[int]:
    """Replicates in parts that keep memory bounded."""
    part = max(1, 2**22 // rows)
    return [min(part, replicates - at) for at in range(0, replicates, part)]


def share_band(
    counts: Iterable[TaskCounts],
    values: ArrayLike,
    rng: np.random.Generator,
    replicates: int = 2000,
    alpha: float = 0.05,
) -> Estimate:
    """Mean of one value per record (a flag such as `created`), with its family-clustered band.

    Args:
        counts: The records that the values belong to; only their seed, family and task are read.
        values: One number per record.
        rng: Source of the replicates.
        replicates: Bootstrap replicates R.
        alpha: The band holds the central 1 - alpha of the replicates.

    Raises:
        ValueError: No records, or not one value per record.
    """
    given = list(counts)
    numbers = np.asarray(values, dtype=float)
    if numbers.shape != (len(given),):
        raise ValueError(f"{len(given)} records need one value each, got shape {numbers.shape}.")
    numbers = numbers[sorted(range(len(given)), key=lambda at: _place(given[at]))]
    rows = _some(given)
    weights = _weights(rows)
    picked, shares = _resample(rows, replicates, rng)
    means = (numbers[picked] * shares).sum(axis=1)
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    tasks = len({(row.family, row.task) for row in rows})
    return Estimate(float(numbers @ weights), float(low), float(high), tasks)


def _some(counts: Iterable[TaskCounts]) -> list[TaskCounts]:
    rows = sorted(counts, key=_place)
    if not rows:
        raise ValueError("A bootstrap needs at least one record of counts, got none.")
    return rows


def _place(row: TaskCounts) -> tuple[int, str]:
    return row.seed, row.family


def _blocks(rows: Sequence[TaskCounts]) -> tuple[Ints, Ints, Ints]:
    """First row and number of rows per (seed, family), and number of families per seed.

    Returns:
        start_S_F, size_S_F (0 where a seed lacks a family) and families_S; rows are sorted.
    """
    grid: dict[int, dict[str, list[int]]] = {}
    for index, row in enumerate(rows):
        grid.setdefault(row.seed, {}).setdefault(row.family, []).append(index)
    most = max(len(families) for families in grid.values())
    start = np.zeros((len(grid), most), dtype=np.int64)
    size = np.zeros((len(grid), most), dtype=np.int64)
    for s, families in enumerate(grid.values()):
        for f, members in enumerate(families.values()):
            start[s, f], size[s, f] = members[0], len(members)
    return start, size, np.array([len(families) for families in grid.values()])


def _weights(rows: Sequence[TaskCounts]) -> Floats:
    """Weight of every row in the mean over seeds of means over families of means over tasks."""
    start, size, families = _blocks(rows)
    weights = np.zeros(len(rows))
    for s, f in np.argwhere(size > 0):
        first, many = start[s, f], size[s, f]
        weights[first : first + many] = 1.0 / (len(families) * families[s] * many)
    return weights


def _resample(
    rows: Sequence[TaskCounts], replicates: int, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Row indices and weights of every replicate, both (R, X); spare places have weight 0."""
    start, size, families = _blocks(rows)
    seeds, most = size.shape
    tasks = int(size.max())
    s = rng.integers(seeds, size=(replicates, seeds, 1))
    f = (rng.random((replicates, seeds, most)) * families[s]).astype(np.int64)
    many = size[s, f][..., None]
    t = (rng.random((replicates, seeds, most, tasks)) * many).astype(np.int64)
    used = (np.arange(most)[:, None] < families[s][..., None]) & (np.arange(tasks) < many)
    weights = used / (seeds * families[s][..., None] * many)
    picked = start[s, f][..., None] + t
    return picked.reshape(replicates, -1), weights.reshape(replicates, -1)


def _open_sides(
    n: Ints, c: Ints, k: int, alpha: float, band: tuple[float, float]
) -> tuple[float, float]:
    """The band, opened where every task failed or every task succeeded in every draw."""
    low, high = band
    least = int(n.min())
    if not c.any():
        high = 1.0 - (1.0 - float(upper_bound(least, 0, alpha / 2))) ** k
    if (c == n).all():
        low = 1.0 - (1.0 - float(lower_bound(least, least, alpha / 2))) ** k
    return low, high
