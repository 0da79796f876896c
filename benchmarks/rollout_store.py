"""The trajectory store: rows in and out, many small appends, memory of keys, and replay.

python benchmarks/rollout_store.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq

from reachgym.agents.scripted import oracle_agent
from reachgym.envs.registration import EnvRef, make
from reachgym.rollout.codec import decode, encode
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.rebuild import Rebuilder
from reachgym.rollout.replay import replay
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.store_index import KeyIndex
from reachgym.rollout.trajectory import Trajectory

T = TypeVar("T")

ROWS = 100_000
PORTION = 8192
SINGLE = 1000
KEYS = 10_000_000
REPEATS = 3
LOOKUP = EnvRef("reachgym/Lookup-v0", {"difficulty": 2})


def main() -> None:
    rows = list(trajectories(ROWS))
    print(f"{ROWS:,} attempts of three turns, portions of {PORTION:,}; medians of {REPEATS}")
    runs = [in_and_out(rows) for _ in range(REPEATS)]
    for name in runs[0]:
        seconds = statistics.median(run[name] for run in runs)
        print(f"  {name:8} {seconds:6.2f} s  {ROWS / seconds:12,.0f}/s")
    small(rows[:SINGLE])
    keys()
    replays(rows[:2000])


def trajectories(count: int) -> Iterator[Trajectory]:
    """An oracle's attempts with the token ids that a policy's would have."""
    env, agent = make(LOOKUP), oracle_agent(LOOKUP.id)
    played = [
        run_episode(agent, env, Attempt(env.taskset.task("train", i), LOOKUP, i, "oracle"))
        for i in range(64)
    ]
    env.close()
    for number in range(count):
        row = played[number % len(played)]
        ids = tuple(range(number % 7, number % 7 + 12))
        turns = tuple(
            replace(
                turn,
                completion=replace(
                    turn.completion, prompt_ids=ids, sampled_ids=ids, logprobs=(-0.5,) * 12
                ),
            )
            for turn in row.turns
        )
        yield replace(row, key=replace(row.key, seed=number), turns=turns)


def in_and_out(rows: list[Trajectory]) -> dict[str, float]:
    """Seconds of each step."""
    parts = [rows[start : start + PORTION] for start in range(0, len(rows), PORTION)]
    with tempfile.TemporaryDirectory() as folder:
        encode_s, tables = timed(lambda: [encode(part) for part in parts])
        with TrajectoryStore(Path(folder) / "run") as store:
            append_s, _ = timed(lambda: [store.append_table(table) for table in tables])
        open_s, store = timed(lambda: TrajectoryStore(Path(folder) / "run"))
        index_s, _ = timed(lambda: rows[0].key in store)
        read_s, count = timed(lambda: sum(1 for _ in store.read()))
        if count != len(rows):
            raise SystemExit(f"read {count} of {len(rows)} rows")
        summary_s, _ = timed(store.summary)
    return {
        "encode": encode_s,
        "append": append_s,
        "open": open_s,
        "index": index_s,
        "read": read_s,
        "summary": summary_s,
    }


def small(rows: list[Trajectory]) -> None:
    """What single rows cost: as the store merges them, and as shards of their own."""
    tables = [encode([row]) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        with TrajectoryStore(path) as store:
            append_s, _ = timed(lambda: [store.append_table(table) for table in tables])
        merged_s, _ = timed(lambda: sum(1 for _ in TrajectoryStore(path).read()))
        apart = [Path(folder) / f"{number}.parquet" for number in range(len(tables))]
        for file, table in zip(apart, tables, strict=True):
            pq.write_table(table, file, compression="zstd")
        apart_s, _ = timed(lambda: [list(decode(pq.ParquetFile(file).read())) for file in apart])
        size = sum(file.stat().st_size for file in path.glob("*.parquet"))
        size_apart = sum(file.stat().st_size for file in apart)
    print(f"{len(rows):,} appends of one row each: {append_s / len(rows) * 1e3:.1f} ms an append")
    print(
        f"  read {merged_s:.2f} s, as shards of their own {apart_s:.2f} s "
        f"({apart_s / merged_s:.0f}x); {size / 1e6:.2f} and {size_apart / 1e6:.2f} MB"
    )


def keys() -> None:
    """What a key takes in memory."""
    index, rng = KeyIndex(), np.random.default_rng(0)
    before = resident_bytes()
    seconds, _ = timed(
        lambda: [
            index.add_done([rng.bytes(16) for _ in range(PORTION)]) for _ in range(KEYS // PORTION)
        ]
    )
    per_key = (resident_bytes() - before) / KEYS
    print(f"{KEYS:,} keys: {per_key:.0f} bytes each, {seconds:.0f} s to take them in")


def replays(rows: list[Trajectory]) -> None:
    """Attempts replayed a second."""
    for live in (False, True):
        with closing(Rebuilder()) as rebuilder:

            def play(rebuilder: Rebuilder = rebuilder, live: bool = live) -> int:
                places = ((row, rebuilder.place(row)) for row in rows)
                return sum(
                    bool(replay(row, place.env, place.task, live=live).differences)
                    for row, place in places
                )

            seconds, differ = timed(play)
        name = "live" if live else "recorded"
        print(f"replay, {name}: {len(rows) / seconds:,.0f} attempts/s, {differ} differ")


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    started_s = time.perf_counter()
    result = work()
    return time.perf_counter() - started_s, result


if __name__ == "__main__":
    main()
