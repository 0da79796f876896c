"""Each interval of the measurement against the truth of a simulated study: how often it misses."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import simulated_studies as sim
from simulated_studies import Family, Floats, Study

from reachgym.support import (
    ALL_FAMILIES,
    ArmCounts,
    ArmEvidence,
    Claim,
    Composite,
    Estimate,
    Label,
    Rules,
    TaskCounts,
    Verdict,
    anytime_lower,
    anytime_upper,
    binary_kl,
    composition_test,
    cover_at,
    created_contrast,
    free_energy,
    interface_effects,
    judge,
    pass_at_k,
    pass_at_k_curve,
    success_probability,
    tools_by_information,
    trajectory_kl,
)

ALPHA, TAU = 0.05, 0.5
# With 24 tasks a smaller margin leaves no elicitation to be claimed, falsely or not.
RULES = Rules(sim.B, ALPHA, minimum_share=0.25, delta=0.25)
REPLICATES = 300
# Beside the bounds in use, for comparison; nothing rests on it.
COMPARED = "hierarchical bootstrap, "
Bounds = tuple[float, float]


@dataclass
class Tally:
    """Misses of one interval in one kind of family: truth below it, truth above it, of how many."""

    nominal: float
    below: int = 0
    above: int = 0
    n: int = 0

    def add(self, truth: float, low: float, high: float) -> None:
        self.below += truth < low - 1e-9
        self.above += truth > high + 1e-9
        self.n += 1

    @property
    def coverage(self) -> float:
        return 1 - (self.below + self.above) / self.n


class Tallies:
    """All tallies, by interval and kind of family."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Tally]] = defaultdict(dict)

    def add(
        self, name: str, kind: str, truth: float, bounds: Bounds, nominal: float = 1 - ALPHA
    ) -> None:
        self.found[name].setdefault(kind, Tally(nominal)).add(truth, *bounds)

    def add_sides(self, name: str, kind: str, truth: float, bounds: Bounds) -> None:
        """Two one-sided bounds, each at alpha."""
        self.add(f"{name}, lower", kind, truth, (bounds[0], math.inf))
        self.add(f"{name}, upper", kind, truth, (-math.inf, bounds[1]))


def check_study(study: Study, tallies: Tallies, rng: np.random.Generator) -> None:
    """Every interval of one study."""
    check_tasks(study, tallies)
    for f, family in enumerate(study.families):
        base, arm, again = (
            [row for row in rows if row.family == f"f{f}"]
            for rows in (study.base, study.arm, study.again[0])
        )
        check_curves(family, arm, tallies, rng)
        check_shares(family, base, arm, tallies)
        check_contrasts(family, base, (arm, again), tallies)
    check_all_families(study, tallies)
    check_verdicts(study, tallies)


def check_tasks(study: Study, tallies: Tallies) -> None:
    """Bounds of one task's success, whatever decided how often it was drawn."""
    for row in study.arm:
        f, k = int(row.family[1:]), int(row.task[1:])
        family = study.families[f]
        p = float(family.p1_S_Z[row.seed, study.sort_F_K[f, k]])
        drawn = row.drawn, row.solved, ALPHA
        bounds = float(anytime_lower(*drawn)), float(anytime_upper(*drawn))
        tallies.add("success on a task, draws added", family.kind, p, bounds)


def check_curves(
    family: Family, arm: list[TaskCounts], tallies: Tallies, rng: np.random.Generator
) -> None:
    """pass@k within one family, and what a hierarchical bootstrap would have said."""
    for point in pass_at_k_curve(arm, (1, sim.B), ALPHA):
        name, truth = f"pass@{point.k}", family.pass_at(point.k)
        tallies.add(name, family.kind, truth, _ends(point.value))
        tallies.add(COMPARED + name, family.kind, truth, percentiles(arm, point.k, rng))


def check_shares(
    family: Family, base: list[TaskCounts], arm: list[TaskCounts], tallies: Tallies
) -> None:
    """Cover@tau, and the share in reach."""
    c_S_K = np.reshape([row.c for row in arm], (sim.SEEDS, -1))
    certified = cover_at(sim.FIRST, c_S_K, TAU, ALPHA).certified
    truth = float((family.p1_S_Z >= TAU).mean())
    tallies.add(f"Cover@{TAU}, certified", family.kind, truth, _ends(certified))
    (effect,) = interface_effects(base, arm, sim.B, ALPHA)
    truth = float(family.labels_1[Label.IN_REACH].mean())
    tallies.add("share in reach", family.kind, truth, _ends(effect.with_tools))


def check_contrasts(
    family: Family,
    base: list[TaskCounts],
    arms: tuple[list[TaskCounts], list[TaskCounts]],
    tallies: Tallies,
) -> None:
    """An arm less the base measured again, and the same as a difference in differences."""
    arm, again = (ArmCounts(rows, base) for rows in arms)
    truth = family.created - family.created_again
    found = created_contrast(arm, again, sim.B, ALPHA).value
    tallies.add("contrast of created shares", family.kind, truth, _ends(found))
    found = tools_by_information(again, again, again, arm, sim.B, ALPHA).value
    tallies.add("tools by information", family.kind, truth, _ends(found))


def check_all_families(study: Study, tallies: Tallies) -> None:
    """Means over families, which are a sample of the kinds there are."""
    (point,) = pass_at_k_curve(study.arm, (sim.B,), ALPHA)
    truth = _mean(family.pass_at(sim.B) for family in study.possible)
    tallies.add(f"pass@{sim.B}, over families", ALL_FAMILIES, truth, _ends(point.value))
    arm, again = (ArmCounts(rows, study.base) for rows in (study.arm, study.again[0]))
    truth = _mean(family.created - family.created_again for family in study.possible)
    found = created_contrast(arm, again, sim.B, ALPHA).value
    tallies.add("contrast, over families", ALL_FAMILIES, truth, _ends(found))


def check_verdicts(study: Study, tallies: Tallies) -> None:
    """The one-sided bounds that claims turn on."""
    for verdict in judge([ArmEvidence("arm", study.arm)], study.base, RULES):
        whole = verdict.family == ALL_FAMILIES
        true = study.possible if whole else [study.families[int(verdict.family[1:])]]
        _check_bounds(verdict, _kind(study, verdict.family), true, tallies)


def _check_bounds(verdict: Verdict, kind: str, true: list[Family], tallies: Tallies) -> None:
    created, lost = _ends(verdict.created_share), _ends(verdict.lost_share)
    tallies.add_sides("created share", kind, _mean(f.truly_created for f in true), created)
    tallies.add_sides("lost share", kind, _mean(f.truly_lost for f in true), lost)
    for name, k, gain in (
        ("gain in pass@1", 1, verdict.pass_at_1_gain),
        (f"gain in pass@{sim.B}", sim.B, verdict.pass_at_b_gain),
    ):
        tallies.add_sides(name, kind, _mean(f.gain_at(k) for f in true), _ends(gain))


def check_energy(tallies: Tallies, rng: np.random.Generator) -> None:
    """Divergence paid and efficiency on a fixed set of tasks with forty trajectories each."""
    for kind, strength, spread in (("mild", 1.0, 0.3), ("strong", 6.0, 0.3), ("wild", 3.0, 1.5)):
        base = rng.dirichlet(np.full(40, 0.5), size=sim.TASKS) + 1e-12
        solved = np.arange(40) < 8
        tilt = strength * solved + spread * rng.standard_normal(base.shape)
        base /= base.sum(axis=1, keepdims=True)
        arm = base * np.exp(tilt)
        arm /= arm.sum(axis=1, keepdims=True)
        ratio = np.log(arm / base)
        kl, p0, p1 = float((arm * ratio).sum(axis=1).mean()), *_success(base, arm, solved)
        drawn = np.concatenate([rng.choice(r, 16, p=q) for r, q in zip(ratio, arm, strict=True)])
        n = sim.FIRST * sim.TASKS
        c0, c1 = (int(rng.binomial(sim.FIRST, q[:, solved].sum(axis=1)).sum()) for q in (base, arm))
        level = ALPHA / 3
        found = free_energy(
            drawn, success_probability(n, c1, level), success_probability(n, c0, level), level
        )
        tallies.add("divergence paid", kind, kl, _ends(trajectory_kl(drawn, ALPHA)))
        efficiency = (found.eta.low, found.eta.high)
        tallies.add("eta", kind, float(binary_kl(p1, p0)) / kl, efficiency)
        certified = (found.base_success_certified, 1.0)
        tallies.add("base success certified by small KL", kind, p0, certified)


def _success(base: Floats, arm: Floats, solved: Floats) -> tuple[float, float]:
    return tuple(float(q[:, solved].sum(axis=1).mean()) for q in (base, arm))


def check_composition(tallies: Tallies, rng: np.random.Generator) -> None:
    """Success on composites and the product of their atoms, for the tasks given."""
    p = rng.beta(2, 1, 6)
    atoms = [
        TaskCounts("base", 0, "atom", f"a{i}", 60, int(rng.binomial(60, rate)))
        for i, rate in enumerate(p)
    ]
    pairs = rng.integers(6, size=(12, 2))
    q = rng.beta(1, 1, 12)
    composites = [
        Composite(
            TaskCounts("arm", 0, "whole", f"c{i}", 30, int(rng.binomial(30, rate))),
            tuple(atoms[a] for a in pair),
        )
        for i, (rate, pair) in enumerate(zip(q, pairs, strict=True))
    ]
    found = composition_test(composites, ALPHA)
    tallies.add("success on composites", "any", float(q.mean()), _ends(found.measured))
    product = float(p[pairs].prod(axis=1).mean())
    tallies.add("product of the atoms", "any", product, _ends(found.product))


def percentiles(rows: list[TaskCounts], k: int, rng: np.random.Generator) -> Bounds:
    """Percentiles of pass@k with seeds, tasks and draws redrawn, each within the one above."""
    c_S_K = np.reshape([row.c for row in rows], (sim.SEEDS, -1))
    tasks = c_S_K.shape[1]
    s = rng.integers(sim.SEEDS, size=(REPLICATES, sim.SEEDS, 1))
    t = rng.integers(tasks, size=(REPLICATES, sim.SEEDS, tasks))
    redrawn = rng.binomial(sim.FIRST, c_S_K[s, t] / sim.FIRST)
    table = pass_at_k(sim.FIRST, np.arange(sim.FIRST + 1), k)
    low, high = np.quantile(table[redrawn].mean(axis=(1, 2)), [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def false_claims(study: Study) -> set[tuple[Claim, str]]:
    """Claims about further measurements of the base, which nothing was done to, and of what."""
    arms = [ArmEvidence(rows[0].policy, rows) for rows in study.again]
    return {
        (claim, _kind(study, verdict.family))
        for verdict in judge(arms, study.base, RULES)
        for claim in verdict.claims
        if claim is not Claim.INCONCLUSIVE
    }


def _kind(study: Study, family: str) -> str:
    return family if family == ALL_FAMILIES else study.families[int(family[1:])].kind


def _ends(value: Estimate) -> Bounds:
    return value.low, value.high


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
