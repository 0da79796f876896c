"""The composition null: its level by enumeration, its power, and what it needs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from reachgym.support import TaskCounts
from reachgym.support.composition import Composite, composition_test


def atom(task, n, c):
    return TaskCounts("base", 0, "hop", task, n, c)


def composite(n, c, *atoms, task="whole"):
    return Composite(TaskCounts("rl", 0, "chain", task, n, c), atoms)


def test_the_null_is_rejected_with_probability_at_most_alpha_by_enumeration():
    n_atoms, n = 20, 30
    for p_a, p_b in ((0.3, 0.9), (0.05, 0.5), (1.0, 0.6)):
        error = 0.0
        for a, b in itertools.product(range(n_atoms + 1), repeat=2):
            weight = stats.binom.pmf(a, n_atoms, p_a) * stats.binom.pmf(b, n_atoms, p_b)
            if weight < 1e-9:
                continue
            atoms = atom("a", n_atoms, a), atom("b", n_atoms, b)
            p_values = [composition_test([composite(n, c, *atoms)]).p_value for c in range(n + 1)]
            least = sum(p_value > 0.05 for p_value in p_values)
            error += weight * stats.binom.sf(least - 1, n, p_a * p_b)
        assert error <= 0.05


def test_pooled_composites_with_a_shared_atom_keep_the_level():
    rng = np.random.default_rng(0)
    rates = np.array([0.5, 0.9, 0.2, 0.7])
    rejected = 0
    for _ in range(400):
        solved = rng.binomial(300, rates)
        atoms = [atom(f"{i}", 300, int(c)) for i, c in enumerate(solved)]
        wholes = [
            composite(
                200,
                int(rng.binomial(200, rates[i] * rates[j])),
                atoms[i],
                atoms[j],
                task=f"{i}{j}",
            )
            for i, j in ((0, 0), (0, 1), (0, 2), (0, 3), (2, 3))
        ]
        rejected += composition_test(wholes).p_value <= 0.05
    assert rejected / 400 <= 0.05


def test_a_skill_of_putting_parts_together_is_found():
    found = composition_test([composite(400, 200, atom("a", 400, 120), atom("b", 400, 240))])
    assert found.p_value == pytest.approx(0.001, abs=1e-6)
    assert found.product.estimate == pytest.approx(0.3 * 0.6)
    assert found.product.low < 0.18 < found.product.high
    assert found.excess == pytest.approx(0.5 - 0.18)
    assert (found.policy, found.composites, found.atoms) == ("rl", 1, 2)
    assert (found.measured.n, found.product.n) == (400, 400)


def test_doing_worse_than_the_parts_is_no_evidence():
    poor = composition_test([composite(400, 4, atom("a", 400, 390), atom("b", 400, 390))])
    assert poor.p_value == 1.0
    assert poor.excess < -0.9


def test_a_part_needed_twice_is_estimated_without_bias():
    n, p = 12, 0.4
    mean = sum(
        stats.binom.pmf(c, n, p)
        * composition_test([composite(5, 1, *[atom("a", n, c)] * 3)]).product.estimate
        for c in range(n + 1)
    )
    assert mean == pytest.approx(p**3)


def test_composites_weigh_by_their_draws():
    rare, common = atom("a", 1000, 100), atom("b", 1000, 900)
    pooled = composition_test(
        [composite(300, 30, rare, task="r"), composite(100, 90, common, task="c")]
    )
    assert pooled.product.estimate == pytest.approx((300 * 0.1 + 100 * 0.9) / 400)
    assert pooled.measured.estimate == pytest.approx(120 / 400)
    assert math.isclose(pooled.excess, 0.0, abs_tol=1e-12)


def test_wrong_input_is_an_error():
    one = composite(10, 1, atom("a", 10, 5))
    other = Composite(TaskCounts("sft", 0, "chain", "whole", 10, 1), one.atoms)
    with pytest.raises(ValueError, match="one policy, at least one"):
        composition_test([])
    with pytest.raises(ValueError, match="one policy"):
        composition_test([one, other])
    with pytest.raises(ValueError, match="chain/whole needs draws and at least one atom"):
        composition_test([composite(10, 1)])
    with pytest.raises(ValueError, match="needs hop/a 2 times, which was drawn 1 times"):
        composition_test([composite(10, 1, *[atom("a", 1, 1)] * 2)])
