"""What the verdict says of models whose truth is known, seed by seed.

    python benchmarks/known_truth.py [--seeds 20]

The models and how they are made stand in `known_models.py`. The exit status is 1 where a verdict
is wrong.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter

import torch
from known_models import Known, every_model

from reachgym.support import TaskCounts


def main() -> None:
    parser = argparse.ArgumentParser(description="Verdicts on models of known truth.")
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    right: Counter[str] = Counter()
    print("pass@1 is the median over tasks (least to most); created is a share and its lower bound")
    columns = f"{'base pass@1':>24}{'trained pass@1':>24}{'created':>14}"
    print(f"{'seed':>4}  {'model':<11}{columns}  {'verdict':<13}  right?")
    start = time.process_time()
    for seed in range(asked.seeds):
        for known in every_model(seed):
            right[known.name] += known.right
            print(_line(seed, known), flush=True)
    seconds = (time.process_time() - start) / asked.seeds
    totals = ", ".join(f"{name} {count}/{asked.seeds}" for name, count in right.items())
    print(f"\nright: {totals}; {seconds:.0f} s of CPU a seed")
    sys.exit(0 if set(right.values()) == {asked.seeds} else 1)


def _line(seed: int, known: Known) -> str:
    verdict = known.verdict
    share = verdict.created_share
    created = f"{share.estimate:.2f} (> {share.low:.2f})"
    measured = f"{_rates(known.base):>24}{_rates(known.arm):>24}{created:>14}"
    said = f"{', '.join(verdict.claims):<13}  {'right' if known.right else 'WRONG'}"
    return f"{seed:>4}  {known.name:<11}{measured}  {said}"


def _rates(counts: list[TaskCounts]) -> str:
    rates = [row.c / row.n for row in counts]
    return f"{statistics.median(rates):.3f} ({min(rates):.3f} to {max(rates):.3f})"


if __name__ == "__main__":
    main()
