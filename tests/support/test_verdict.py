"""Verdicts on studies whose truth is known: created, elicited, shrunk, and nothing at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reachgym.support import (
    ALL_FAMILIES,
    ArmEvidence,
    Claim,
    Rules,
    TaskCounts,
    describe,
    draws_to_exclude,
    judge,
    p_out,
)

B = 16
ENOUGH = draws_to_exclude(B)
RULES = Rules(B, minimum_share=0.1, delta=0.25)


def sample(policy, rng, n, p, seeds=(0, 1), family="lookup-2", tasks=32):
    """Records with success probability `p` of every task, or one per task."""
    rates = np.broadcast_to(p, tasks)
    return [
        TaskCounts(policy, seed, family, f"t{task:02}", n, int(rng.binomial(n, rates[task])))
        for seed in seeds
        for task in range(tasks)
    ]


def claims(verdicts, policy="rl", family="lookup-2"):
    return next(v.claims for v in verdicts if (v.policy, v.family) == (policy, family))


def one(arm, base, rules=RULES, **controls):
    (verdict,) = judge([ArmEvidence("rl", arm, controls)], base, rules)
    return verdict


@pytest.mark.parametrize("seed", range(5))
def test_known_creation_is_labelled_creation(seed):
    rng = np.random.default_rng(seed)
    verdict = one(sample("rl", rng, 128, 0.95), sample("base", rng, ENOUGH + 50, 0.0))
    assert verdict.claims == (Claim.CREATION,)
    assert verdict.created_share.low == pytest.approx(0.05 ** (1 / 32))
    assert (verdict.seeds_agreeing, verdict.seeds) == (2, 2)


@pytest.mark.parametrize("seed", range(5))
def test_known_elicitation_is_labelled_elicitation(seed):
    rng = np.random.default_rng(seed)
    verdict = one(sample("rl", rng, 128, 0.95), sample("base", rng, 400, 0.15))
    assert verdict.claims == (Claim.ELICITATION,)


@pytest.mark.parametrize("seed", range(5))
def test_known_shrinkage_is_labelled_shrinkage(seed):
    rng = np.random.default_rng(seed)
    arm = sample("rl", rng, ENOUGH + 50, np.where(np.arange(32) % 2, 0.9, 0.0))
    verdict = one(arm, sample("base", rng, 400, 0.3))
    assert verdict.claims == (Claim.SHRINKAGE,)
    assert verdict.lost_share.estimate == 0.5


def test_creation_and_shrinkage_can_both_hold():
    rng = np.random.default_rng(0)
    reached = np.arange(48) % 3 > 0
    base = sample("base", rng, ENOUGH + 50, np.where(reached, 0.5, 0.0), tasks=48)
    arm = sample("rl", rng, ENOUGH + 50, np.where(reached, 0.0, 0.9), tasks=48)
    verdict = one(arm, base)
    assert verdict.claims == (Claim.CREATION, Claim.SHRINKAGE)
    assert "Creation on lookup-2: 16 of 48 tasks" in describe(verdict)
    assert "Shrinkage on lookup-2" in describe(verdict)


def test_base_against_base_is_labelled_nothing_in_ninety_five_studies_of_a_hundred():
    rng = np.random.default_rng(11)
    wrong = dict.fromkeys(Claim, 0)
    studies = 60
    for _ in range(studies):
        p = rng.beta(0.4, 1.5, 20) * (rng.random(20) < 0.7)
        base = sample("base", rng, 300, p, tasks=20)
        arms = [ArmEvidence(name, sample(name, rng, 300, p, tasks=20)) for name in ("rl", "sft")]
        verdicts = judge(arms, base, Rules(4))
        for claim in wrong:
            wrong[claim] += any(claim in verdict.claims for verdict in verdicts)
    assert wrong[Claim.CREATION] == 0
    assert wrong[Claim.ELICITATION] + wrong[Claim.SHRINKAGE] <= 0.05 * studies + 3


def test_the_worst_null_is_called_creation_with_probability_at_most_alpha():
    """Every task is just too likely to be out of the base's reach, and the arm always succeeds."""
    tasks, rules = 16, Rules(B, minimum_share=0.05)
    out = [c for c in range(20) if stats.binom.cdf(c, ENOUGH, p_out(B)) <= 0.05]
    mislabelled = stats.binom.cdf(max(out), ENOUGH, p_out(B))
    arm = [TaskCounts("rl", 0, "f", f"{task}", 50, 50) for task in range(tasks)]
    error = 0.0
    for created in range(tasks + 1):
        base = [
            TaskCounts("base", 0, "f", f"{task}", ENOUGH, max(out) + (task >= created))
            for task in range(tasks)
        ]
        if Claim.CREATION in one(arm, base, rules).claims:
            error += stats.binom.pmf(created, tasks, mislabelled)
    assert 0.001 < error <= 0.05


def test_one_base_that_reaches_the_task_is_enough_to_deny_creation():
    rng = np.random.default_rng(0)
    base = sample("base", rng, ENOUGH, 0.0, seeds=(0,)) + sample("base", rng, 400, 0.3, seeds=(1,))
    verdict = one(sample("rl", rng, 128, 0.95), base)
    assert Claim.CREATION not in verdict.claims
    assert verdict.created_share.estimate == 0.0


def test_creation_needs_most_seeds():
    rng = np.random.default_rng(0)
    base = sample("base", rng, ENOUGH, 0.0, seeds=(0,))
    found = sample("rl", rng, 128, 0.95, seeds=(0,))
    missed = sample("rl", rng, 128, 0.0, seeds=(1, 2))
    verdict = one(found + missed, base)
    assert (verdict.seeds_agreeing, verdict.seeds) == (1, 3)
    assert verdict.created_share.low > RULES.minimum_share
    assert Claim.CREATION not in verdict.claims
    found_twice = sample("rl", rng, 128, 0.95, seeds=(0, 1))
    assert Claim.CREATION in one(found_twice + missed[32:], base).claims


def test_creation_must_exceed_every_control_arm():
    rng = np.random.default_rng(0)
    base, arm = sample("base", rng, ENOUGH, 0.0), sample("rl", rng, 128, 0.95)
    same, none = sample("yoked", rng, 128, 0.9), sample("random", rng, 128, 0.0)
    assert one(arm, base, random=none).claims == (Claim.CREATION,)
    assert Claim.CREATION not in one(arm, base, random=none, yoked=same).claims


def test_undecided_tasks_count_against_creation_and_against_elicitation():
    rng = np.random.default_rng(0)
    decided = np.arange(32) < 3
    base = [
        TaskCounts("base", 0, "f", f"{i:02}", ENOUGH if decided[i] else 100, 0) for i in range(32)
    ]
    arm = sample("rl", rng, 128, 0.95, seeds=(0,), family="f")
    arm = [TaskCounts("rl", 0, "f", row.task[1:], row.n, row.c) for row in arm]
    verdict = one(arm, base)
    assert verdict.claims == (Claim.INCONCLUSIVE,)
    assert verdict.created_share.estimate == 3 / 32
    assert verdict.created_share.high == 1.0


def test_a_gain_on_tasks_whose_labels_are_open_is_not_yet_elicitation():
    def rows(policy, n, c):
        return [TaskCounts(policy, 0, "f", f"{task}", n, c) for task in range(32)]

    assert one(rows("rl", 16, 16), rows("base", 16, 2)).claims == (Claim.INCONCLUSIVE,)
    assert one(rows("rl", 400, 400), rows("base", 400, 200)).claims == (Claim.ELICITATION,)


def test_a_gain_that_so_few_tasks_cannot_tell_from_none_is_not_elicitation():
    base = [TaskCounts("base", 0, "f", f"{task}", 400, 240) for task in range(32)]
    arm = [TaskCounts("rl", 0, "f", f"{task}", 400, 250) for task in range(32)]
    assert one(arm, base).claims == (Claim.INCONCLUSIVE,)


def test_an_inconclusive_verdict_says_how_many_further_draws_decide_it():
    rng = np.random.default_rng(0)
    arm = sample("rl", rng, 128, 0.95)
    verdict = one(arm, sample("base", rng, 200, 0.0))
    assert verdict.claims == (Claim.INCONCLUSIVE,)
    assert verdict.further_draws == 2 * 32 * (ENOUGH - 200)
    assert f"{verdict.further_draws:,} further draws" in describe(verdict)
    assert one(arm, sample("base", rng, ENOUGH, 0.0)).claims == (Claim.CREATION,)


def test_further_draws_are_not_promised_where_they_would_not_help():
    rng = np.random.default_rng(0)
    verdict = one(sample("rl", rng, 128, 0.4), sample("base", rng, 128, 0.4))
    assert verdict.claims == (Claim.INCONCLUSIVE,)
    assert verdict.further_draws is None
    assert "more tasks or seeds might" in describe(verdict)


def test_the_correction_over_arms_is_holms():
    rng = np.random.default_rng(0)
    base = sample("base", rng, 400, 0.3)
    good = ArmEvidence("rl", sample("rl", rng, 128, 0.95))
    idle = [ArmEvidence(f"idle{i}", sample("idle", rng, 128, 0.3)) for i in range(3)]
    (alone,) = judge([good], base, RULES)
    among = next(v for v in judge([good, *idle], base, RULES) if v.policy == "rl")
    assert among.p_values[Claim.ELICITATION] == pytest.approx(4 * alone.p_values[Claim.ELICITATION])


def test_over_all_families_each_family_is_one_observation():
    rng = np.random.default_rng(0)
    names = [f"f{i}" for i in range(6)]
    base = [row for f in names for row in sample("base", rng, ENOUGH, 0.0, family=f, tasks=12)]

    def study(created):
        arm = [
            row
            for i, f in enumerate(names)
            for row in sample("rl", rng, 128, 0.95 * (i < created), family=f, tasks=12)
        ]
        return judge([ArmEvidence("rl", arm)], base, RULES)

    one_family, three = study(1), study(3)
    assert claims(one_family, family="f0") == (Claim.CREATION,)
    assert Claim.CREATION not in claims(one_family, family=ALL_FAMILIES)
    assert claims(three, family=ALL_FAMILIES) == (Claim.CREATION,)
    overall = three[-1]
    assert (overall.family, overall.created_share.n, overall.cell.tasks) == ("all", 6, 72)
    assert overall.created_share.low == pytest.approx(
        stats.binomtest(3, 6, alternative="greater").proportion_ci().low
    )
    assert "all 6 families taken together" in describe(overall)


def test_tasks_that_chance_could_solve_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    easy = {"t00", "t01"}
    arm, base = (
        [
            TaskCounts(*(row.policy, row.seed, row.family, row.task, row.n, row.c), chance)
            for row in rows
            for chance in [0.1 if row.task in easy else 1e-6]
        ]
        for rows in (sample("rl", rng, 128, 0.95), sample("base", rng, ENOUGH, 0.0))
    )
    verdict = one(arm, base)
    assert (verdict.cell.tasks, verdict.cell.excluded) == (30, 2)
    assert "2 tasks left out" in describe(verdict)
    nothing = one([row for row in arm if row.task in easy], base)
    assert nothing.claims == (Claim.INCONCLUSIVE,)
    assert (nothing.created_share.low, nothing.created_share.high) == (0.0, 1.0)
    assert "none can witness anything" in describe(nothing)


def test_sentences_state_tasks_draws_and_seeds():
    rng = np.random.default_rng(0)
    created = one(sample("rl", rng, 128, 1.0, tasks=16), sample("base", rng, 4000, 0.0, tasks=16))
    assert describe(created).startswith(
        "Creation on lookup-2: 16 of 16 tasks, which the base does not solve within 16 attempts"
        " (0 of 4,000 draws each, both bases), are solved by rl"
    )
    elicited = one(sample("rl", rng, 128, 0.95), sample("base", rng, 400, 0.15))
    assert "32 tasks, 2 seeds, 400 draws of the base and 128 of the arm" in describe(elicited)


def test_what_was_not_measured_on_the_same_tasks_is_an_error():
    rng = np.random.default_rng(0)
    base, arm = sample("base", rng, ENOUGH, 0.0), sample("rl", rng, 128, 0.95)
    with pytest.raises(ValueError, match="rl, seed 1, was not measured on lookup-2/t31"):
        one(arm[:-1], base)
    with pytest.raises(ValueError, match="the base of seed 1 was not"):
        one(arm, base[:-1])
    with pytest.raises(ValueError, match=r"k <= n.*n=8, c=8, k=16"):
        one(sample("rl", rng, 8, 1.0), base)


def test_rules_that_cannot_be_kept_are_errors():
    with pytest.raises(ValueError, match=r"minimum_share must lie in \[alpha, 1\)"):
        Rules(16, alpha=0.05, minimum_share=0.01)
    with pytest.raises(ValueError, match="delta"):
        Rules(16, delta=0.0)


def test_labels_rest_on_added_draws_and_gains_on_the_first():
    rng = np.random.default_rng(0)
    base = [
        TaskCounts("base", seed, "lookup-2", f"t{task:02}", 96, 0, drawn=5000, solved=0)
        for seed in (0, 1)
        for task in range(32)
    ]
    arm = sample("rl", rng, 96, 0.95)
    (verdict,) = judge([ArmEvidence("rl", arm)], base, Rules(64, minimum_share=0.1, delta=0.25))
    assert verdict.claims == (Claim.CREATION,)
    assert verdict.cell.base_draws == (5000, 5000)
    too_few = [TaskCounts("base", r.seed, r.family, r.task, 96, 0, drawn=4000) for r in base]
    (open_yet,) = judge([ArmEvidence("rl", arm)], too_few, verdict.rules)
    assert open_yet.claims == (Claim.INCONCLUSIVE,)
    assert open_yet.further_draws == 2 * 32 * 406
