"""How often each interval holds the truth, over simulated studies, and how often null ones claim.

    python benchmarks/interval_coverage.py [--studies 2000]

Every interval is checked within each kind of family of `simulated_studies.py`, and the kind with
the lowest coverage is named. A hierarchical percentile bootstrap stands beside the bounds in use.
The exit status is 1 where coverage is over a point below nominal or false claims are above 5 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np
from interval_checks import (
    ALPHA,
    COMPARED,
    Tallies,
    check_composition,
    check_energy,
    check_study,
    false_claims,
)
from simulated_studies import Population, draw_study

from reachgym.support import Claim

NULL_ARMS = 3
TOLERANCE = 0.01


def simulate(studies: int, rng: np.random.Generator) -> tuple[Tallies, Counter[tuple[Claim, str]]]:
    """Studies with an arm, then as many with arms that are the base; claims made of the latter."""
    population, tallies = Population(rng), Tallies()
    claimed: Counter[tuple[Claim, str]] = Counter()
    start = time.monotonic()
    for done in range(1, studies + 1):
        check_study(draw_study(population, rng), tallies, rng)
        check_energy(tallies, rng)
        check_composition(tallies, rng)
        claimed.update(false_claims(draw_study(population, rng, NULL_ARMS)))
        if done % 100 == 0:
            print(f"{done} studies, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return tallies, claimed


def report(tallies: Tallies) -> list[str]:
    """Print the coverage of every interval; the names of those that fall short."""
    print(f"{'interval':<38}{'nominal':>8}{'lowest':>8}{'below':>7}{'above':>7}{'n':>8}  kind")
    short = []
    for name, by_kind in tallies.found.items():
        kind, worst = min(by_kind.items(), key=lambda pair: pair[1].coverage)
        print(
            f"{name:<38}{worst.nominal:8.3f}{worst.coverage:8.3f}{worst.below / worst.n:7.3f}"
            f"{worst.above / worst.n:7.3f}{worst.n:8}  {kind}"
        )
        if worst.coverage < worst.nominal - TOLERANCE and not name.startswith(COMPARED):
            short.append(name)
    return short


def report_claims(claimed: Counter[tuple[Claim, str]], studies: int) -> list[str]:
    """Print how many null studies claim anything of some family; those that do too often."""
    print(f"\nfalse claims, share of {studies} null studies with {NULL_ARMS} arms each")
    for (claim, kind), count in sorted(claimed.items()):
        print(f"{claim:<14}{count / studies:8.4f}  {kind}")
    if not claimed:
        print("none")
    return [
        f"{claim} {kind}" for (claim, kind), count in claimed.items() if count > ALPHA * studies
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of every interval.")
    parser.add_argument("--studies", type=int, default=2000)
    asked = parser.parse_args()
    tallies, claimed = simulate(asked.studies, np.random.default_rng(0))
    short = [*report(tallies), *report_claims(claimed, asked.studies)]
    sys.exit(f"Short: {', '.join(short)}" if short else 0)


if __name__ == "__main__":
    main()
