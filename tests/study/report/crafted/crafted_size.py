"""The crafted study, grown: eighteen policies, six families, twenty-four tasks, three seeds."""

from itertools import product

from crafted_looks import further
from crafted_study import core

FAMILIES = {f"family-{index}": f"what family {index} asks" for index in range(6)}
TRAINED = list(FAMILIES)[:4]
BASES = ("base", "little", "none")
ARMS = {"base": 9, "little": 3, "none": 3}
SEEDS = (0, 1, 2)
TASKS = 24
UPDATES = 40


def large():
    """A study of the largest size that the page is meant for."""
    data = core() | further()
    setting = data["setting"]
    setting["families"] = FAMILIES
    setting["policies"] = policies(setting["policies"][0])
    setting["exposures"] = {base: {"lookup_exposure": 0.01} for base in BASES}
    names = [policy["name"] for policy in setting["policies"]]
    arms = [name for name in names if name not in BASES]
    taken = {
        "measurements": product(names, SEEDS, FAMILIES, range(TASKS)),
        "pass_at_k": product(names, (0,), FAMILIES, [2**step for step in range(8)]),
        "flows": product(arms, SEEDS, FAMILIES, (0,)),
        "verdicts": product(arms, (0,), (*FAMILIES, "all"), (0,)),
        "dynamics": product(names, (0,), FAMILIES, (0,)),
        "covers": product(names, (0,), FAMILIES, (0.1, 0.5, 0.9)),
        "crossings": product(arms, (0,), FAMILIES, (0,)),
        "evaluations": product(names, (0,), FAMILIES, (0,)),
        "energies": product(arms, SEEDS, FAMILIES, (0,)),
        "discoveries": product(arms, SEEDS, TRAINED, range(UPDATES)),
        "curves": product(arms, SEEDS, TRAINED, range(UPDATES)),
        "consumption": product(names, SEEDS, ("all",), (0,)),
        "compute_matched": product(arms, SEEDS, ("all",), (0,)),
        "economies": product(names, SEEDS, ("all",), (0,)),
    }
    for name in ("estimates", "compositions", "interface_effects"):
        taken[name] = product(BASES, SEEDS, FAMILIES, range(TASKS if name == "estimates" else 1))
    grown = {name: grow(data[name], places) for name, places in taken.items()}
    return data | grown | {"trajectories": []}


def policies(pattern):
    """Three bases, each followed by its arms."""
    found = []
    for base, count in ARMS.items():
        found.append({**pattern, "name": base, "label": f"the base {base}", "base": base})
        for index in range(count):
            name = f"arm-{index}" if base == "base" else f"arm-{index}@{base}"
            own = {"name": name, "label": f"arm {index} from {base}", "base": base}
            found.append(
                {
                    **pattern,
                    **own,
                    "arm": f"arm-{index}",
                    "is_base": False,
                    "train_interface": "tools",
                }
            )
    return [{**policy, "seeds": list(SEEDS)} for policy in found]


def grow(patterns, places):
    """Rows of a part in other places; only fields that the part has are set."""
    rows = []
    for index, (name, seed, family, last) in enumerate(places):
        pattern = patterns[index * 7 % len(patterns)]
        wanted = {"policy": name, "base": name, "seed": seed, "family": family}
        wanted |= {"task": f"{family}/held_out/{last}", "k": last or None, "tau": last}
        wanted |= {"update": last, "n": 200, "evaluation": "removed"}
        rows.append(pattern | {key: value for key, value in wanted.items() if key in pattern})
    return rows
