"""A crafted study: every kind of verdict, long labels, and model text that attacks its reader."""

import math

from crafted_attempts import attempt

HEADLINE = 64
FAMILIES = {
    "lookup-2": "two facts in a chain",
    "arithmetic-3": "the product of two three-digit numbers",
    "a-family-whose-name-somebody-made-much-longer-than-any-column": "a name that must wrap $x^2$",
}
LONG_LABEL = "RL with tools, information, and a label far longer than any card is wide, [bold]$x_1$"
BASES = ("base", "taught")
POLICIES = {
    "base": "base",
    "sft": "SFT on answers",
    "rl": "RL, tools & information",
    "rl_long": LONG_LABEL,
    "rl_withheld": "RL, information withheld",
    "taught": "=cmd|' /C calc'!A0",
    "rl@taught": "RL, the taught base",
    "sft@taught": "SFT, the taught base",
}
SOLVED_OF_200 = {
    "base": ([0, 0, 0, 1, 0, 0], [8, 20, 41, 5, 12, 30], [90, 100, 80, 120, 60, 70]),
    "sft": ([0, 0, 0, 0, 0, 0], [9, 22, 30, 6, 10, 33], [0, 0, 0, 2, 0, 0]),
    "rl": ([60, 110, 12, 40, 75, 0], [180, 190, 200, 170, 160, 196], [95, 100, 90, 130, 66, 70]),
    "rl_long": ([0, 0, 2, 0, 0, 0], [150, 188, 200, 99, 120, 180], [88, 100, 70, 110, 60, 70]),
    "rl_withheld": ([0, 0, 0, 0, 1, 0], [7, 20, 39, 6, 11, 29], [85, 95, 77, 110, 59, 71]),
    "taught": ([9, 4, 12, 7, 0, 3], [30, 44, 60, 25, 31, 52], [90, 100, 80, 120, 60, 70]),
    "rl@taught": ([99, 120, 80, 66, 90, 71], [181, 191, 199, 175, 166, 190], [95] * 6),
    "sft@taught": ([8, 5, 10, 9, 1, 2], [33, 40, 55, 27, 29, 50], [88] * 6),
}
VERDICTS = {
    ("sft", 0): ["inconclusive"],
    ("sft", 1): ["inconclusive"],
    ("sft", 2): ["shrinkage"],
    ("sft", "all"): ["shrinkage"],
    ("rl", 0): ["creation"],
    ("rl", 1): ["elicitation"],
    ("rl", 2): ["inconclusive"],
    ("rl", "all"): ["creation", "shrinkage"],
    ("rl_long", 0): ["inconclusive"],
    ("rl_long", 1): ["elicitation"],
    ("rl_long", 2): ["inconclusive"],
    ("rl_long", "all"): ["elicitation"],
    ("rl@taught", 0): ["elicitation"],
    ("rl@taught", "all"): ["elicitation"],
    ("sft@taught", "all"): ["inconclusive"],
}
FLOWS = {
    ("sft", 0): (0, 0, 0, 0, 5, 1),
    ("sft", 1): (0, 0, 4, 0, 0, 2),
    ("sft", 2): (0, 0, 0, 5, 0, 1),
    ("rl", 0): (4, 0, 0, 0, 1, 1),
    ("rl", 1): (0, 6, 0, 0, 0, 0),
    ("rl", 2): (0, 0, 6, 0, 0, 0),
    ("rl_long", 0): (0, 0, 0, 0, 5, 1),
    ("rl_long", 1): (0, 6, 0, 0, 0, 0),
    ("rl_long", 2): (0, 0, 6, 0, 0, 0),
    ("rl@taught", 0): (0, 5, 0, 0, 0, 1),
    ("rl@taught", 1): (0, 6, 0, 0, 0, 0),
    ("sft@taught", 0): (0, 0, 4, 1, 0, 1),
}
CHANGES = ("created", "elicited", "kept", "lost", "unreached", "undecided")
EVALUATIONS = [
    {
        "name": name,
        "label": label,
        "description": f"what {name} looks at.",
        "of": of,
        "interface": "no_tools" if name == "removed" else "tools",
        "world_seed": 99 if name == "elsewhere" else 0,
        "elicits": name == "cool",
    }
    for name, label, of in (
        ("removed", "tools taken away", "all"),
        ("elsewhere", "another world", "arms"),
        ("cool", "temperature 0.5", "base"),
        ("unrun", "a look that nothing came of", "base"),
    )
]


def core():
    """The parts that every study has."""
    return {
        "setting": setting(),
        "gates": [
            {
                "seed": 0,
                "name": "calls tools",
                "value": interval(0.91, 317),
                "low": 0.8,
                "high": 1.0,
                "passed": True,
            }
        ],
        "measurements": measurements(),
        "pass_at_k": curves(),
        "flows": flows(),
        "verdicts": [verdict(*key, claims) for key, claims in VERDICTS.items()],
        "interface_effects": [effect(base, family) for base in BASES for family in FAMILIES],
        "consumption": [consumed(name, seed) for name in POLICIES for seed in (0, 1)],
        "curves": training(),
        "trajectories": [attempt(True), attempt(False), attempt(None)],
        "stage_seconds": {"base/seed-0": 61.5, "arm/rl/seed-0": 33.0},
        "notes": ["31 of 27,360 attempts failed <and> are unscored."],
    }


def base_of(policy):
    return "taught" if policy.endswith("taught") else "base"


def name_of(family):
    return family if isinstance(family, str) else list(FAMILIES)[family]


def interval(estimate, n):
    width = 1.5 / math.sqrt(n)
    low, high = max(estimate - width, 0.0), min(estimate + width, 1.0)
    return {"estimate": estimate, "low": low, "high": high, "n": n}


def setting():
    return {
        "title": "Does <training> reach?",
        "question": "Does post-training bring tasks within reach that were out of it?",
        "world_seed": 0,
        "alpha": 0.05,
        "sample_budgets": [
            {"attempts": b, "p_in": 0.69 / b, "p_out": 0.0513 / b, "headline": b == HEADLINE}
            for b in (1, 16, HEADLINE, 256)
        ],
        "attempt_budget": {"turns": 5, "action_tokens": 64, "wall_s": None},
        "interfaces": [
            {
                "name": "tools",
                "description": "search and python",
                "tools": ["search", "python"],
                "information": "full",
            },
            {
                "name": "no_tools",
                "description": "no tools at all",
                "tools": [],
                "information": "full",
            },
        ],
        "policies": [
            {
                "name": name,
                "label": label,
                "description": f"how {name} was trained, in a sentence",
                "is_base": name in BASES,
                "base": base_of(name),
                "arm": None if name == base_of(name) else name.partition("@")[0],
                "control_for": ["rl"] if name == "rl_withheld" else [],
                "train_interface": None if name in BASES else "tools",
                "seeds": [0, 1],
            }
            for name, label in POLICIES.items()
        ],
        "evaluations": EVALUATIONS,
        "families": FAMILIES,
        "exposures": {"base": {}, "taught": {"lookup_exposure": 0.16}},
        "model": {"hidden": 96, "layers": 3},
        "versions": {"reachgym": "0.1.0"},
        "hardware": "x86_64, Linux",
        "config": {"title": "crafted"},
        "config_hash": "0123456789abcdef",
    }


def measurements():
    return [
        {
            "policy": policy,
            "seed": seed,
            "interface": "tools",
            "family": family,
            "task": f"{family}/held_out/{index}",
            "n": 200,
            "c": c,
            "drawn": 0,
            "solved": 0,
            "guesses": 1,
            "truncated": 2,
            "failed": 0,
            "chance": 1e-6,
            "p": interval(c / 200, 200),
            "bound_source": "draws",
            "labels": dict.fromkeys((1, 16, HEADLINE, 256), "in_reach" if c else "undecided"),
        }
        for policy, families in SOLVED_OF_200.items()
        for family, counts in zip(FAMILIES, families, strict=True)
        for seed in (0, 1)
        for index, c in enumerate(counts[seed * 3 : seed * 3 + 3])
    ]


def curves():
    return [
        {
            "policy": policy,
            "interface": "tools",
            "family": family,
            "k": 2**step,
            "value": interval(
                sum(1 - (1 - c / 200) ** (2**step) for c in counts) / len(counts), 23 + place
            ),
            "seeds": [0.0, 1.0],
            "draws": 200,
        }
        for policy, families in SOLVED_OF_200.items()
        for place, (family, counts) in enumerate(zip(FAMILIES, families, strict=True))
        for step in range(8)
    ]


def flows():
    return [
        {
            "policy": policy,
            "seed": 0,
            "reference": "tools",
            "interface": "tools",
            "family": name_of(family),
            "attempts": HEADLINE,
            "counts": dict(zip(CHANGES, counts, strict=True)),
            "excluded_by_chance": 1 if policy == "sft" else 0,
        }
        for (policy, family), counts in FLOWS.items()
    ]


def verdict(policy, family, claims):
    words = " and ".join(claims).capitalize()
    return {
        "policy": policy,
        "family": name_of(family),
        "attempts": HEADLINE,
        "verdicts": claims,
        "sentence": f"{words} on {name_of(family)} for {policy}: created share 31 % (one-sided"
        " 95 % bounds 12 % and 55 %), pass@1 changes by +0.120 (+0.050 to +0.201), pass@64 by"
        " +0.300 (+0.100 to +0.500) (6 tasks, 2 seeds, 200 draws each).",
        "created_share": interval(0.31, 41),
        "lost_share": interval(0.0, 43),
        "noise_floor": 0.017,
        "pass_at_1_gain": interval(0.12, 47),
        "pass_at_b_gain": interval(0.3, 53),
        "seeds_agreeing": 2,
        "seeds": 2,
        "further_draws": 4321 if claims == ["inconclusive"] else None,
    }


def effect(base, family):
    return {
        "base": base,
        "family": family,
        "without": interval(0.125, 59),
        "with_tools": interval(0.625, 61),
        "gained_tasks": 3,
        "tasks": 67,
    }


def consumed(policy, seed):
    return {
        "policy": policy,
        "seed": seed,
        "updates": 120,
        "episodes": 15360,
        "verifier_calls": 15360,
        "tool_calls": 21034,
        "demonstrations": 0,
        "sampled_tokens": 1_234_567,
        "gradient_tokens": 987_654,
        "wall_s": 321.0,
        "learner_s": 123.0,
        "rollout_s": 198.0,
    }


def training():
    return [
        {
            "policy": policy,
            "seed": seed,
            "update": update,
            "family": family,
            "success": 1 - math.exp(-update * (place + 1 + seed) / 120),
            "n": 73,
        }
        for policy in ("rl", "rl_long")
        for place, family in enumerate(FAMILIES)
        for seed in (0, 1)
        for update in range(0, 121, 20)
    ]
