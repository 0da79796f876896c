"""The further parts of the crafted study: every kind of record, with and without null fields."""

import math

from crafted_study import BASES, CHANGES, FAMILIES, POLICIES, interval

ARMS = [name for name in POLICIES if name not in BASES]
DIFFERENCE = {"estimate": 0.21, "low": -0.04, "high": 0.46}


def further():
    """The parts that a study has where it looked further."""
    return {
        "dynamics": [dynamics(policy, family) for policy in POLICIES for family in FAMILIES],
        "covers": [cover(policy, tau) for policy in POLICIES for tau in (0.1, 0.5, 0.9)],
        "crossings": [
            {"policy": policy, "family": family, "k": None if policy == "rl" else 16}
            for policy in ARMS
            for family in FAMILIES
        ],
        "evaluations": evaluations(),
        "economies": [economy(policy, seed) for policy in POLICIES for seed in (0, 1)],
        "estimates": estimates(),
        "energies": energies(),
        "compositions": [composition(base, seed) for base in BASES for seed in (0, 1)],
        "contrasts": contrasts(),
        "compute_matched": [matched(policy, seed) for policy in ARMS for seed in (0, 1)],
        "discoveries": discoveries(),
    }


def dynamics(policy, family):
    known = family != "arithmetic-3"
    rates = {"srr": 0.75, "ndr": 0.125, "sds": 0.21, "nscr": -0.0625}
    return {
        "policy": policy,
        "family": family,
        **{name: value if known else None for name, value in rates.items()},
        "labelled": 79 if known else 0,
    }


def cover(policy, tau):
    return {
        "policy": policy,
        "family": "lookup-2",
        "tau": tau,
        "share": interval(0.4, 83),
        "certified": interval(0.2, 83),
    }


def evaluations():
    looked = [("removed", policy) for policy in POLICIES]
    looked += [("elsewhere", "rl"), ("cool", "base")]
    return [
        {
            "evaluation": evaluation,
            "policy": policy,
            "family": family,
            "pass_at_1": interval(0.3, 89),
            "in_reach": 5,
            "reached_created": 3 if evaluation == "cool" else 0,
            "tasks": 6,
            "draws": 64,
        }
        for evaluation, policy in looked
        for family in FAMILIES
    ]


def economy(policy, seed):
    return {
        "policy": policy,
        "seed": seed,
        "interface": "tools",
        "tasks": 97,
        "labelled": 90,
        "drawn": 0 if policy == "sft" else 20_000,
        "fixed": 90_000,
    }


def estimates():
    """Doubtful without successes, sound where the base had none, doubtful with disagreement."""
    return [
        {
            "base": base,
            "seed": seed,
            "family": family,
            "task": f"{family}/held_out/{index}",
            "estimate": (0.0, 0.0021, 0.04)[index],
            "low": (0.0, 0.0007, 0.01)[index],
            "bound": "betting" if index == 1 else "markov",
            "direct": interval(0.0, 101),
            "successes": (0, 240, 12)[index],
            "routes": (0, 31, 2)[index],
            "ess": (0.0, 96.5, 3.2)[index],
            "largest_share": (1.0, 0.05, 0.7)[index],
            "pareto_k": (None, 0.31, 1.4)[index],
            "agrees": (None, True, False)[index],
            "failed": ([], [], ["ess", "largest_share", "pareto_k", "agrees"])[index],
        }
        for base in BASES
        for family in FAMILIES
        for seed in (0, 1)
        for index in range(3)
    ]


def energies():
    """The base never succeeds at the first family, so that nothing is known of eta there."""
    return [
        {
            "policy": policy,
            "seed": seed,
            "family": family,
            "kl": {
                "estimate": (place - 0.01) * (3.0 + seed + place),
                "low": 0.0,
                "high": 2.0 * (place + 1) * (3.0 + seed + place),
                "n": 103,
            },
            "least": 0.4 * place,
            "eta": None if at == 0 else 0.4 / (3.0 + seed + place),
            "p_arm": min(0.15 * place + 0.1 * at, 1.0),
            "p_base": 0.05 * at,
            "selection_cost": None if at == 0 else -math.log(0.05 * at),
            "certificate": 0.0001,
        }
        for place, policy in enumerate(ARMS)
        for at, family in enumerate(FAMILIES)
        for seed in (0, 1)
    ]


def composition(base, seed):
    return {
        "base": base,
        "seed": seed,
        "family": "lookup-2",
        "atoms": ["lookup-1", "lookup-1"],
        "expected": 0.0025,
        "measured": interval(0.01, 107),
        "p_value": 0.031,
    }


def contrasts():
    named = {
        "interaction": "RL less yoked SFT",
        "algorithm": "@SUM(1+1) RL less RFT, with a label that goes on for much too long $x^2$",
        "information": "tools x information",
    }
    return [
        {
            "name": name,
            "label": label,
            "family": family,
            "difference": {key: value + 0.2 * place for key, value in DIFFERENCE.items()}
            | {"n": 3 if family == "all" else 109},
            "terms": {"arm": 0.41, "control": 0.2},
        }
        for place, (name, label) in enumerate(named.items())
        for family in ("all", *FAMILIES)
    ]


def matched(policy, seed):
    return {
        "policy": policy,
        "seed": seed,
        "attempts": 12_345,
        "counts": dict(zip(CHANGES, (1, 0, 2, 0, 3, 113), strict=True)),
    }


def discoveries():
    return [
        {
            "policy": policy,
            "seed": seed,
            "update": update,
            "family": family,
            "solved_tasks": round(127 * (1 - math.exp(-update * (place + 1) / 90))),
            "tried_tasks": 127,
        }
        for place, policy in enumerate(("rl", "rl_long", "rl@taught"))
        for family in list(FAMILIES)[:2]
        for seed in (0, 1)
        for update in range(0, 121, 10)
    ]
