"""Ten million attempts from Parquet to a verdict: seconds, peak memory, and a plain loop beside it.

    python benchmarks/support.py

Four policies, three seeds, six families of a thousand tasks; one core, one thread. The attempts are
made by a process of their own, so that the peak is that of the measurement.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.support import (
    ArmEvidence,
    Rules,
    TaskCounts,
    judge,
    pass_at_k_curve,
    support_flows,
    task_labels,
)
from reachgym.support.attempts import read_attempts, task_counts

POLICIES = ("base", "sft", "rft", "rl")
SEEDS, FAMILIES, TASKS = 3, 6, 1000
ATTEMPTS_ALLOWED = 2
SAMPLE = 2_000_000
CURVE = (1, 2, 4, 8, 16, 32, 64)


def make(path: Path, attempts: int) -> None:
    """Attempts, as many of each task up to one, in random order; success differs by task."""
    rng = np.random.default_rng(0)
    shape = len(POLICIES), SEEDS, FAMILIES, TASKS
    cells = rng.permutation(attempts) % np.prod(shape)
    policy, seed, family, task = (part.astype(np.int32) for part in np.unravel_index(cells, shape))
    base = rng.beta(0.2, 1.0, (FAMILIES, TASKS))
    rates = np.stack([base ** (1.0 / (1 + arm)) for arm in range(len(POLICIES))])
    columns = {
        "policy": _texts(policy, POLICIES),
        "seed": seed,
        "family": _texts(family, [f"family-{index}" for index in range(FAMILIES)]),
        "task": _texts(task, [f"task-{index:04}" for index in range(TASKS)]),
        "passed": rng.random(attempts) < rates[policy, family, task],
    }
    pq.write_table(pa.table(columns), path)


def _texts(codes: np.ndarray, names: list[str] | tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, list(names)).cast(pa.string())


@contextmanager
def timed(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{name:<14}{time.perf_counter() - start:8.2f} s{_peak_gib():8.2f} GiB peak", flush=True)


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(path: Path) -> None:
    start = time.perf_counter()
    with timed("read"):
        table = read_attempts(path)
    with timed("counts"):
        counts = task_counts(table)
    by_policy = {name: [row for row in counts if row.policy == name] for name in POLICIES}
    with timed("pass@k"):
        for rows in by_policy.values():
            ks = [k for k in CURVE if k <= min(row.n for row in rows)]
            pass_at_k_curve(rows, ks)
    with timed("labels"):
        task_labels(counts, ATTEMPTS_ALLOWED)
    arms = [by_policy[name] for name in POLICIES[1:]]
    with timed("flows"):
        support_flows([row for rows in arms for row in rows], by_policy["base"], ATTEMPTS_ALLOWED)
    with timed("verdicts"):
        evidence = [ArmEvidence(rows[0].policy, rows) for rows in arms]
        verdicts = judge(evidence, by_policy["base"], Rules(ATTEMPTS_ALLOWED))
    print(f"{len(counts):,} tasks, {len(verdicts)} verdicts from {table.num_rows:,} attempts")
    print(f"total {time.perf_counter() - start:.1f} s, peak {_peak_gib():.2f} GiB")


def compare(path: Path) -> None:
    """The same counts of a sample from `task_counts` and from a plain loop over a dict."""
    sample = read_attempts(path).slice(0, SAMPLE)
    start = time.perf_counter()
    ours = task_counts(sample)
    middle = time.perf_counter()
    tallies: dict[tuple[str, int, str, str], list[int]] = {}
    columns = (sample[name].to_pylist() for name in ("policy", "seed", "family", "task", "passed"))
    for policy, seed, family, task, passed in zip(*columns, strict=True):
        tally = tallies.setdefault((policy, seed, family, task), [0, 0])
        tally[0] += 1
        tally[1] += passed
    plain = [TaskCounts(*key, *tally) for key, tally in sorted(tallies.items())]
    end = time.perf_counter()
    if plain != ours:
        raise SystemExit("The plain loop counts otherwise.")
    print(
        f"counting {sample.num_rows:,} attempts: {middle - start:.2f} s, plain loop"
        f" {end - middle:.2f} s, {(end - middle) / (middle - start):.1f} times as long"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=10_000_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        make(asked.make, asked.attempts)
        return
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempts.parquet"
        command = [sys.executable, __file__, "--attempts", str(asked.attempts), "--make", str(path)]
        subprocess.run(command, check=True)
        print(f"{asked.attempts:,} attempts, {path.stat().st_size / 2**20:.0f} MiB of Parquet")
        measure(path)
        compare(path)


if __name__ == "__main__":
    main()
