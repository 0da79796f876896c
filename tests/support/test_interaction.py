"""Contrasts on the created share: their arithmetic, their coverage, their edges."""

from __future__ import annotations

import numpy as np
import pytest

from reachgym.support import TaskCounts
from reachgym.support.interaction import ArmCounts, created_contrast, tools_by_information

B = 4
IN, OUT = (100, 95), (300, 0)


def records(policy, reached_S_F_T, **more):
    return [
        TaskCounts(policy, s, f"f{f}", f"t{t}", *(IN if reached else OUT), **more)
        for (s, f, t), reached in np.ndenumerate(np.asarray(reached_S_F_T))
    ]


def arm(policy, created_S_F_T):
    shape = np.shape(created_S_F_T)
    return ArmCounts(records(policy, created_S_F_T), records("base", np.zeros(shape)))


def test_the_difference_in_differences_is_that_of_the_four_shares():
    rng = np.random.default_rng(0)
    flags = {
        name: rng.random((2, 3, 8)) < share
        for name, share in (("neither", 0.1), ("tools", 0.3), ("information", 0.2), ("both", 0.9))
    }
    arms = {name: arm(name, created) for name, created in flags.items()}
    found = tools_by_information(**arms, attempts=B)
    shares = {name: created.mean() for name, created in flags.items()}
    expected = shares["both"] - shares["information"] - shares["tools"] + shares["neither"]
    assert found.value.estimate == pytest.approx(expected)
    assert found.value.low < expected < found.value.high
    assert {name: one.estimate for name, one in found.shares.items()} == pytest.approx(shares)
    assert (found.families, found.seeds, found.value.n, found.excluded) == (3, 2, 24, 0)


def test_the_order_of_records_does_not_matter():
    rng = np.random.default_rng(0)
    first, second = (arm(name, rng.random((2, 3, 8)) < 0.5) for name in ("rl", "sft"))
    straight = created_contrast(first, second, B)
    shuffled = ArmCounts(
        [first.counts[i] for i in rng.permutation(48)], [first.base[i] for i in range(47, -1, -1)]
    )
    assert created_contrast(shuffled, second, B) == straight


def test_a_task_is_created_only_where_the_base_of_every_seed_is_out_of_reach():
    base = records("base", [[[0, 0]], [[1, 0]]])
    rl = ArmCounts(records("rl", [[[1, 1]], [[1, 1]]]), base)
    rft = ArmCounts(records("rft", [[[1, 0]], [[1, 0]]]), base)
    found = created_contrast(rl, rft, B)
    assert found.value.estimate == 0.5
    assert found.shares["control"].estimate == 0.0


def test_each_arm_is_compared_with_its_own_base():
    with_tools = ArmCounts(records("rl", [[[1, 1]]]), records("base", [[[1, 1]]]))
    without = ArmCounts(records("rl", [[[1, 1]]]), records("base", [[[0, 0]]]))
    found = created_contrast(without, with_tools, B)
    assert found.value.estimate == 1.0


def test_pairing_narrows_the_bounds():
    rng = np.random.default_rng(4)
    luck = rng.random((1, 1, 200))
    paired = created_contrast(arm("a", luck < 0.6), arm("b", luck < 0.4), B).value
    apart = created_contrast(arm("a", luck < 0.6), arm("b", luck[..., ::-1] < 0.4), B).value
    assert paired.high - paired.low < 0.75 * (apart.high - apart.low)


def test_where_all_tasks_agree_the_bounds_are_exact_and_not_a_point():
    one, none = np.ones((2, 1, 16)), np.zeros((2, 1, 16))
    found = created_contrast(arm("rl", one), arm("sft", none), B)
    assert found.value.estimate == found.value.high == 1.0
    assert found.value.low == pytest.approx(2 * 0.025 ** (1 / 16) - 1)
    assert found.shares["arm"].low == pytest.approx(0.025 ** (1 / 16))
    four = {name: arm(name, none) for name in ("neither", "tools", "information", "both")}
    value = tools_by_information(**four, attempts=B).value
    assert value.estimate == 0.0
    assert value.high == pytest.approx(-value.low)
    assert value.high > 0.2


def test_tasks_that_chance_could_solve_are_left_out_and_counted():
    easy = records("rl", [[[1, 1]]])
    easy[0] = TaskCounts("rl", 0, "f0", "t0", *IN, chance=0.1)
    rl = ArmCounts(easy, records("base", [[[0, 0]]]))
    found = created_contrast(rl, arm("sft", [[[0, 0]]]), B)
    assert (found.excluded, found.value.n) == (1, 1)
    only = ArmCounts(easy[:1], rl.base)
    with pytest.raises(ValueError, match="tasks that chance cannot solve"):
        created_contrast(only, only, B)


def test_unpaired_arms_and_missing_bases_are_errors():
    rl, sft = arm("rl", [[[1, 1]]]), arm("sft", [[[1]]])
    with pytest.raises(
        ValueError, match="only one of arm and control was measured on f0/t1, seed 0"
    ):
        created_contrast(rl, sft, B)
    bare = ArmCounts(rl.counts, rl.base[:1])
    with pytest.raises(ValueError, match="the base of seed 0 was not"):
        created_contrast(bare, bare, B)
