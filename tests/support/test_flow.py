"""The six changes, the rates drawn from them, and the noise floor."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from reachgym.support import (
    Change,
    Draws,
    TaskCounts,
    changes,
    interface_effects,
    noise_floor,
    support_dynamics,
    support_flows,
)
from reachgym.support.flow import significantly_higher

B = 4


def one_change(reference, arm):
    return str(changes(Draws(*reference), Draws(*arm), B))


@pytest.mark.parametrize(
    ("reference", "arm", "change"),
    [
        ((300, 0), (100, 90), Change.CREATED),
        ((300, 0), (300, 0), Change.UNREACHED),
        ((100, 50), (300, 0), Change.LOST),
        ((100, 50), (100, 90), Change.ELICITED),
        ((100, 50), (100, 52), Change.KEPT),
        ((100, 90), (100, 50), Change.KEPT),
        ((20, 0), (100, 90), Change.UNDECIDED),
        ((300, 0), (100, 10), Change.UNDECIDED),
        ((100, 50), (100, 16), Change.UNDECIDED),
    ],
)
def test_every_pair_of_labels_has_its_change(reference, arm, change):
    assert one_change(reference, arm) == change


def test_changes_take_arrays_and_leave_nothing_out():
    c = np.arange(0, 301, 3)
    found = changes(Draws(300, c[:, None]), Draws(300, c[None]), B)
    assert found.shape == (101, 101)
    assert set(found.ravel()) == set(Change)


def test_significantly_higher_is_fishers_exact_test():
    for c0, c1 in product(range(0, 13, 3), range(0, 9, 2)):
        fisher = stats.fisher_exact([[c1, 8 - c1], [c0, 12 - c0]], alternative="greater")
        assert float(significantly_higher(Draws(12, c0), Draws(8, c1))) == pytest.approx(
            fisher.pvalue
        )


def test_equal_policies_are_called_higher_with_probability_at_most_alpha():
    n0, n1 = 30, 20
    c0, c1 = np.arange(n0 + 1)[:, None], np.arange(n1 + 1)[None]
    higher = significantly_higher(Draws(n0, c0), Draws(n1, c1)) <= 0.05
    for p in np.linspace(0.01, 0.99, 50):
        chance = stats.binom.pmf(c0, n0, p) * stats.binom.pmf(c1, n1, p)
        assert chance[higher].sum() <= 0.05


def test_the_rates_are_those_of_the_invisible_leash():
    counts = {Change.KEPT: 20, Change.ELICITED: 10, Change.CREATED: 5, Change.LOST: 10}
    rates = support_dynamics(counts)
    p, e, s = 30, 5, 10
    assert rates.srr == pytest.approx(p / (p + s))
    assert rates.ndr == pytest.approx(e / (p + e))
    assert rates.sds == pytest.approx(2 * p * e / (p * p + 2 * p * e + e * s))
    assert rates.nscr == pytest.approx((e - s) / (p + e + s))


def test_rates_over_nothing_are_none():
    rates = support_dynamics({Change.UNREACHED: 3})
    assert (rates.srr, rates.ndr, rates.sds, rates.nscr) == (None, None, None, None)


def row(policy, seed, task, n, c, **more):
    return TaskCounts(policy, seed, "lookup-2", task, n, c, **more)


def test_flows_compare_each_seed_with_its_own_base_and_count_what_chance_excludes():
    base = [row("base", seed, task, 300, 0) for seed in (0, 1) for task in "abc"]
    base[3] = row("base", 1, "a", 300, 150)
    arm = [row("rl", seed, task, 100, 90) for seed in (0, 1) for task in "ab"]
    arm += [row("rl", seed, "c", 100, 90, chance=0.1) for seed in (0, 1)]
    first, second = support_flows(arm, base, B)
    assert (first.counts[Change.CREATED], first.excluded_by_chance) == (2, 1)
    assert (second.counts[Change.CREATED], second.counts[Change.ELICITED]) == (1, 1)
    assert sum(second.counts.values()) == 2
    assert second.dynamics.ndr == 0.5


def test_the_only_base_serves_every_seed_and_a_missing_one_is_an_error():
    arm = [row("rl", 7, "a", 100, 90)]
    assert support_flows(arm, [row("base", 0, "a", 300, 0)], B)[0].counts[Change.CREATED] == 1
    two = [row("base", seed, "a", 300, 0) for seed in (0, 1)]
    with pytest.raises(ValueError, match=r"seed 7 has no reference.*\[0, 1\]"):
        support_flows(arm, two, B)
    with pytest.raises(ValueError, match="rl was measured on lookup-2/a, the base of seed 0"):
        support_flows(arm, [row("base", 0, "b", 300, 0)], B)


def test_the_noise_floor_is_the_mean_over_all_ways_to_halve_the_draws():
    outcomes = [1] * 8 + [0] * 2
    expected = dict.fromkeys(Change, 0.0)
    halves = list(combinations(range(10), 5))
    for half in halves:
        c = sum(outcomes[i] for i in half)
        found = changes(Draws(5, c), Draws(5, 8 - c), attempts=1, alpha=0.4)
        expected[Change(str(found))] += 1 / len(halves)
    floor = noise_floor([row("base", 0, "a", 10, 8)], attempts=1, alpha=0.4)[0]
    assert floor.counts == pytest.approx(expected)
    assert 0 < floor.counts[Change.KEPT] < 1


def test_the_noise_floor_creates_where_one_half_happens_to_hold_every_success():
    floor = noise_floor([row("base", 0, "a", 40, 12)], attempts=1, alpha=0.4)[0]
    all_in_one_half = stats.hypergeom.pmf(0, 40, 12, 20)
    assert floor.counts[Change.CREATED] == pytest.approx(all_in_one_half)
    assert floor.counts[Change.LOST] == pytest.approx(all_in_one_half)


def test_the_noise_floor_creates_next_to_nothing():
    base = [row("base", 0, f"{c}", 600, c) for c in range(0, 600, 7)]
    assert noise_floor(base, B)[0].counts[Change.CREATED] < 1e-3


def test_the_rates_of_the_base_against_itself_are_those_of_no_change():
    rng = np.random.default_rng(0)
    base = [row("base", 0, f"{i}", 600, int(c)) for i, c in enumerate(rng.binomial(600, 0.5, 40))]
    base += [row("base", 0, f"none{i}", 600, 0) for i in range(10)]
    rates = noise_floor(base, B)[0].dynamics
    assert rates.srr == pytest.approx(1.0)
    assert (rates.ndr, rates.sds, rates.nscr) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_equal_halves_create_as_much_as_they_lose():
    floor = noise_floor([row("base", 0, f"{c}", 40, c) for c in (8, 12, 16)], 1, alpha=0.4)[0]
    assert floor.counts[Change.CREATED] > 0
    assert floor.dynamics.nscr == pytest.approx(0.0, abs=1e-12)
    assert floor.dynamics.srr == pytest.approx(1 - floor.dynamics.ndr)


def test_tasks_with_equal_draws_each_count_in_the_noise_floor():
    one = noise_floor([row("base", 0, "a", 40, 12)], 1, alpha=0.4)[0].counts
    three = noise_floor([row("base", 0, task, 40, 12) for task in "abc"], 1, alpha=0.4)[0].counts
    assert three == pytest.approx({change: 3 * share for change, share in one.items()})


def test_the_interface_effect_counts_what_the_tools_do_by_themselves():
    bare = [row("base", seed, task, 300, 0) for seed in (0, 1) for task in "abcd"]
    tools = [row("base", seed, task, 100, 90) for seed in (0, 1) for task in "abc"]
    tools += [row("base", 0, "d", 100, 90), row("base", 1, "d", 100, 0)]
    (effect,) = interface_effects(bare, tools, B)
    assert (effect.gained_tasks, effect.tasks) == (3, 4)
    assert effect.without.estimate == 0.0
    assert effect.with_tools.estimate == 7 / 8
    assert effect.without.high == pytest.approx(1 - 0.025**0.25)
    with pytest.raises(ValueError, match="was not"):
        interface_effects(bare[:2], tools, B)
