"""How often agents that are equally good are told apart, others are found, and intervals hold.

    python benchmarks/paired_comparisons.py [--benches 2000]

Every bench draws its tasks from a population, and pairs share what a seed decides. `p` is the test
that decides; sign flips, McNemar's test over all attempts and a studentised bootstrap stand beside
it. The exit status is 1 where `p` exceeds its level, or an interval misses its nominal coverage by
over a point.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np

from reachgym.support import (
    Decision,
    compare_all,
    pass_at_k,
    pass_hat_k,
    sign_flip_p,
    task_mean,
)
from reachgym.support.counts import Flags, Floats
from reachgym.support.hypotheses import sign_test
from reachgym.support.paired import mean_difference_p

ALPHA = 0.05
TASKS = (10, 50, 200)
ATTEMPTS = (1, 4, 16)
RESAMPLES = 999

Rates = tuple[Floats, Floats]
Population = Callable[[np.random.Generator, int], Rates]


def alike(a: float, b: float) -> Population:
    """Both agents have the same rate on each task, beta-distributed over tasks."""

    def draw(rng: np.random.Generator, tasks: int) -> Rates:
        rates = rng.beta(a, b, tasks)
        return rates, rates

    return draw


def unrelated(rng: np.random.Generator, tasks: int) -> Rates:
    """Agents good at different tasks, equally good on the whole."""
    return rng.beta(0.5, 0.5, tasks), rng.beta(0.5, 0.5, tasks)


def skewed(share: float) -> Population:
    """The first wins a share of the tasks wholly, and loses as much, spread over the others."""

    def draw(rng: np.random.Generator, tasks: int) -> Rates:
        rare = rng.random(tasks) < share
        return rare.astype(float), np.where(rare, 0.0, share / (1 - share))

    return draw


def better_by(gain: float) -> Population:
    """The first solves each task more often by `gain`, tasks uniform in difficulty."""

    def draw(rng: np.random.Generator, tasks: int) -> Rates:
        rates = rng.uniform(0, 1 - gain, tasks)
        return rates + gain, rates

    return draw


NULLS: dict[str, Population] = {
    "alike, beta(.5, .5)": alike(0.5, 0.5),
    "alike, beta(5, 5)": alike(5, 5),
    "alike, near 0": alike(0.05, 2),
    "alike, near 1": alike(2, 0.05),
    "unrelated": unrelated,
    "skewed, 1 task in 3": skewed(1 / 3),
    "skewed, 1 task in 10": skewed(0.1),
    "skewed, 1 task in 30": skewed(1 / 30),
}
GAINS: dict[str, tuple[Population, float]] = {
    "better by 0.1": (better_by(0.1), 0.1),
    "better by 0.2": (better_by(0.2), 0.2),
}
SPREADS: dict[str, tuple[float, float]] = {
    "beta(.5, .5)": (0.5, 0.5),
    "beta(5, 5)": (5, 5),
    "near 0": (0.05, 2),
    "near 1": (2, 0.05),
}


def outcomes(rng: np.random.Generator, rates: Floats, luck_KM: Floats) -> Floats:
    """Outcomes (tasks, attempts) that depend on the seed's luck in half the attempts."""
    own_KM = rng.random(luck_KM.shape)
    shared_KM = rng.random(luck_KM.shape) < 0.5
    return np.asarray(np.where(shared_KM, luck_KM, own_KM) < rates[:, None], dtype=np.float64)


def bench(
    rng: np.random.Generator, population: Population, tasks: int, attempts: int
) -> tuple[Floats, Floats]:
    """Outcomes of two agents on tasks of one population."""
    rates_a, rates_b = population(rng, tasks)
    luck_KM = rng.random((tasks, attempts))
    return outcomes(rng, rates_a, luck_KM), outcomes(rng, rates_b, luck_KM)


def bootstrap_t_p(differences_K: Floats, rng: np.random.Generator) -> float:
    """Two-sided p-value of a studentised bootstrap over tasks."""
    tasks = differences_K.size
    mean, error = differences_K.mean(), differences_K.std(ddof=1) / tasks**0.5
    if error == 0:
        return float(mean == 0)
    drawn = differences_K[rng.integers(0, tasks, (RESAMPLES, tasks))] - mean
    drawn_t = drawn.mean(axis=1) / np.maximum(drawn.std(axis=1, ddof=1) / tasks**0.5, 1e-9)
    below, above = (drawn_t <= mean / error).sum(), (drawn_t >= mean / error).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + RESAMPLES)))


def told_apart(
    rng: np.random.Generator, population: Population, tasks: int, attempts: int, truth: float
) -> Flags:
    """Rejections by p, sign flips, McNemar and bootstrap-t; last, whether the interval held."""
    a_KM, b_KM = bench(rng, population, tasks, attempts)
    gains_K = (a_KM - b_KM).mean(axis=1)
    mcnemar = 2 * min(sign_test(a_KM - b_KM), sign_test(b_KM - a_KM))
    tests = (
        mean_difference_p(gains_K),
        sign_flip_p(gains_K, int(rng.integers(2**31))),
        mcnemar,
        bootstrap_t_p(gains_K, rng),
    )
    held = mean_difference_p(gains_K, truth) > ALPHA
    return np.array([*(p <= ALPHA for p in tests), held])


def comparisons(rng: np.random.Generator, benches: int) -> Iterator[str]:
    """Print levels and power; names of what exceeds its level or misses its coverage."""
    print(f"{'agents':<22}{'tasks x attempts':>17}{'p':>8}{'flips':>8}{'McNemar':>8}", end="")
    print(f"{'boot-t':>8}{'covered':>9}")
    cases = [(name, draw, 0.0) for name, draw in NULLS.items()]
    cases += [(name, draw, gain) for name, (draw, gain) in GAINS.items()]
    for (name, draw, truth), tasks, attempts in itertools.product(cases, TASKS, ATTEMPTS):
        found = [told_apart(rng, draw, tasks, attempts, truth) for _ in range(benches)]
        rates = np.mean(found, axis=0)
        shape = f"{tasks} x {attempts}"
        print(f"{name:<22}{shape:>17}" + "".join(f"{r:8.3f}" for r in rates[:4]), end="")
        print(f"{rates[4]:9.3f}", flush=True)
        if (truth == 0 and rates[0] > ALPHA + 0.01) or rates[4] < 1 - ALPHA - 0.01:
            yield f"{name}, {shape}"


def families(rng: np.random.Generator, benches: int) -> Iterator[str]:
    """Print how often any of ten comparisons of five equally good agents is a false one."""
    for tasks, attempts in ((10, 4), (50, 4), (50, 1)):
        false = 0
        for _ in range(benches):
            luck_KM = rng.random((tasks, attempts))
            agents = {
                f"agent {i}": outcomes(rng, rng.beta(0.5, 0.5, tasks), luck_KM) for i in range(5)
            }
            decisions = [made.decision for made in compare_all(agents, alpha=ALPHA)]
            false += any(made != Decision.NOT_TOLD_APART for made in decisions)
        print(f"family of 10, {tasks} x {attempts}: any called different {false / benches:.3f}")
        if false / benches > ALPHA + 0.01:
            yield f"family, {tasks} x {attempts}"


def rates(rng: np.random.Generator, benches: int) -> Iterator[str]:
    """Print coverage of the intervals of pass@k and pass^k over tasks, four attempts each."""
    print(
        f"{'rates':<16}{'tasks':>6}{'rate':>8}{'pass@2':>8}{'pass^2':>8}{'pass@4':>8}{'pass^4':>8}"
    )
    for (name, (a, b)), tasks in itertools.product(SPREADS.items(), TASKS):
        p = rng.beta(a, b, 4_000_000)
        held = []
        for k, rule in [(1, pass_at_k), *itertools.product((2, 4), (pass_at_k, pass_hat_k))]:
            truth = float((1 - (1 - p) ** k if rule is pass_at_k else p**k).mean())
            c_RK = rng.binomial(4, rng.beta(a, b, (benches, tasks)))
            bounds = [task_mean(values, alpha=ALPHA) for values in rule(4, c_RK, k)]
            held.append(float(np.mean([e.low <= truth <= e.high for e in bounds])))
        print(f"{name:<16}{tasks:>6}" + "".join(f"{h:8.3f}" for h in held), flush=True)
        if min(held) < 1 - ALPHA - 0.01:
            yield f"rates {name}, {tasks} tasks"


def main() -> int:
    """Run all three parts; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benches", type=int, default=2000)
    benches = parser.parse_args().benches
    rng = np.random.default_rng(0)
    short = [*rates(rng, benches), *families(rng, benches), *comparisons(rng, benches)]
    for name in short:
        print(f"does not hold: {name}")
    return bool(short)


if __name__ == "__main__":
    sys.exit(main())
