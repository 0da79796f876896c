"""Which agents can be told apart: every two of them at every suite, corrected for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, groupby

import numpy as np

from reachgym.study.bench.measures import Cell, interval
from reachgym.study.bench.results import ComparisonResult
from reachgym.support import PairedComparison, compare_paired, holm_decisions


def compare(cells: Sequence[Cell], alpha: float) -> list[ComparisonResult]:
    """Compare every two agents at every suite, with Holm's correction over all comparisons.

    Agents of which nothing is scored at the same task and seed are not compared.

    Args:
        cells: By suite, and within it by agent; what stands in the same place is the same attempt.
        alpha: Probability of calling any two agents different that are not.
    """
    made: list[tuple[Cell, Cell, PairedComparison]] = []
    for _, of_suite in groupby(cells, key=lambda cell: cell.suite.name):
        for a, b in combinations(of_suite, 2):
            if (~np.isnan(a.outcomes) & ~np.isnan(b.outcomes)).any():
                made.append((a, b, compare_paired(a.outcomes, b.outcomes, alpha=alpha)))
    decided = holm_decisions([(a.agent, b.agent, found) for a, b, found in made], alpha)
    results = []
    for (a, _, found), said in zip(made, decided, strict=True):
        # Outcomes of attempts are known, so that pairs can be told apart.
        mcnemar = found.mcnemar
        if mcnemar is None:
            continue
        results.append(
            ComparisonResult(
                suite=a.suite.name,
                a=said.a,
                b=said.b,
                difference=interval(found.difference),
                p=found.p,
                adjusted_p=said.adjusted_p,
                only_a=mcnemar.only_a,
                only_b=mcnemar.only_b,
                mcnemar_p=mcnemar.p,
                dropped_pairs=found.dropped_pairs,
                decision=said.decision.value,
            )
        )
    return results
