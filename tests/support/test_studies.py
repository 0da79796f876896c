"""Whole simulated studies: what every interval holds, and what null studies claim.

Twenty of the studies that `benchmarks/interval_coverage.py` simulates by the thousand.
"""

from __future__ import annotations

import numpy as np
import pytest
from interval_checks import COMPARED, percentiles
from interval_coverage import simulate
from scipy import stats
from simulated_studies import FIRST

from reachgym.support import TaskCounts, pass_at_k_curve

STUDIES = 20


@pytest.fixture(scope="module")
def simulated():
    return simulate(STUDIES, np.random.default_rng(1))


def test_no_interval_misses_more_often_than_it_may(simulated):
    tallies, _ = simulated
    for name, by_kind in tallies.found.items():
        for kind, tally in by_kind.items():
            misses = tally.below + tally.above
            rare = stats.binom.sf(misses - 1, tally.n, 1 - tally.nominal)
            assert rare > 1e-5 or name.startswith(COMPARED), (name, kind, misses, tally.n)


def test_where_few_tasks_are_created_a_hierarchical_bootstrap_misses_what_the_bounds_hold():
    rng = np.random.default_rng(2)
    missed = {"bounds": 0, "bootstrap": 0}
    for _ in range(200):
        p_S_F_K = 0.6 * np.broadcast_to(rng.random((1, 1, 24)) < 0.125, (3, 1, 24))
        rows = [
            TaskCounts("arm", s, "f", f"t{k}", FIRST, int(rng.binomial(FIRST, p)))
            for (s, _, k), p in np.ndenumerate(p_S_F_K)
        ]
        (point,) = pass_at_k_curve(rows, [1])
        low, high = percentiles(rows, 1, rng)
        missed["bounds"] += not point.value.low <= 0.6 * 0.125 <= point.value.high
        missed["bootstrap"] += not low <= 0.6 * 0.125 <= high
    assert missed["bounds"] <= 15
    assert missed["bootstrap"] >= 20


def test_null_studies_claim_nothing_too_often(simulated):
    _, claimed = simulated
    for count in claimed.values():
        assert stats.binom.sf(count - 1, STUDIES, 0.05) > 1e-3, claimed
