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
    print(f"{'seed':>4}  {'model':<11}{'base pass@1':>21}{'trained':>21}  {'verdict':<14}")
    start = time.process_time()
    for seed in range(asked.seeds):
        for known in every_model(seed):
            right[known.name] += known.right
            print(_line(seed, known), flush=True)
    seconds = (time.process_time() - start) / asked.seeds
    print(f"\n{seconds:.0f} s of CPU a seed; right of {asked.seeds} seeds: {dict(right)}")
    sys.exit(0 if set(right.values()) == {asked.seeds} else 1)


def _line(seed: int, known: Known) -> str:
    claims = ", ".join(known.verdict.claims)
    said = f"{claims:<14}" + ("" if known.right else "  WRONG")
    return f"{seed:>4}  {known.name:<11}{_rates(known.base):>21}{_rates(known.arm):>21}  {said}"


def _rates(counts: list[TaskCounts]) -> str:
    rates = [row.c / row.n for row in counts]
    return f"{statistics.median(rates):.3f} ({min(rates):.3f} to {max(rates):.3f})"


if __name__ == "__main__":
    main()
