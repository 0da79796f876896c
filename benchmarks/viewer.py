"""The viewer over many trajectories: start, first page, filters, sorts, one episode, the export.

python benchmarks/viewer.py [--count 100000]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from reachgym.agents.protocol import Completion
from reachgym.envs.types import Message, StopReason, ToolCall, ToolResult, Verdict
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import AttemptKey, Failure, Timings, Trajectory, Turn, Usage
from reachgym.study.viewer.export import export_run
from reachgym.study.viewer.server import serving
from reachgym.study.viewer.tokens import TerseTexts
from reachgym.study.viewer.view import RunView

PORTION = 4000
POLICIES = [f"model-{number}" for number in range(8)]
FAMILIES = ["lookup-1", "lookup-2", "compose-2", "files-1", "sql-2", "web-1"]
SPLITS = ["train", "test", "heldout"]
QUESTION = "A directory gives every name a value under each of the relations. " * 12
FOUND = "vndmx/Q: ozbxh, as the record of the directory says, and nothing beside it\n" * 20
REPEATS = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        made_s, _ = timed(lambda: write(run, count))
        size = sum(file.stat().st_size for file in run.rglob("*.parquet"))
        print(
            f"{count:,} trajectories of 4 turns, {size / 2**20:,.0f} MiB ({made_s:.0f} s to make)"
        )
        start_s, view = timed(lambda: RunView(run, TerseTexts()))
        print(f"  start           {start_s:8.3f} s")
        with view:
            with serving(view) as url, httpx.Client(base_url=url, timeout=60) as client:
                measure(client)
            export_s, _ = timed(lambda: export_run(view, Path(folder) / "page"))
            print(f"  export          {export_s:8.3f} s")


def measure(client: httpx.Client) -> None:
    """Print how long each kind of request takes."""

    def get(path: str, **asked: object) -> dict[str, Any]:
        return client.get(path, params=asked).raise_for_status().json()

    first_s, _ = timed(lambda: (get("api/run"), get("api/episodes")))
    print(f"  first page      {first_s:8.3f} s (the run and the list)")
    chance = random.Random(0)
    told = "median {:.3f} s, p95 {:.3f} s"
    kinds: dict[str, Callable[[], object]] = {
        "filter": lambda: get("api/episodes", **chosen(chance)),
        "sort": lambda: get("api/episodes", sort="seconds", desc=1, offset=50_000),
    }
    places = chance.choices(range(get("api/run")["episodes"]), k=2 * REPEATS)
    names = (get("api/episodes", offset=place, limit=1)["rows"][0]["id"] for place in places)
    names = iter(list(names))
    kinds["episode"] = lambda: get(f"api/episode/{next(names)}")
    kinds["position"] = lambda: get(f"api/position/{next(names)}", **chosen(chance))
    for kind, ask in kinds.items():
        taken = sorted(timed(ask)[0] for _ in range(REPEATS))
        p95 = taken[int(0.95 * len(taken))]
        print(f"  {kind:15} " + told.format(statistics.median(taken), p95))


def chosen(chance: random.Random) -> dict[str, object]:
    """Filters of one to three kinds, in any order of the rows."""
    every: dict[str, list[str]] = {
        "policy": POLICIES,
        "family": FAMILIES,
        "split": SPLITS,
        "outcome": ["passed", "failed", "unscored"],
        "task": [f"task-{number}" for number in range(500)],
    }
    names = chance.sample(sorted(every), chance.randint(1, 3))
    asked: dict[str, object] = {
        name: chance.sample(every[name], chance.randint(1, 2)) for name in names
    }
    if "task" in asked:
        asked["task"] = chance.choice(every["task"])
    return {**asked, "sort": chance.choice(["order", "reward", "tokens"])}


def write(run: Path, count: int) -> None:
    """A store of attempts that differ as those of a benchmark do."""
    with closing(TrajectoryStore(run)) as store:
        rows = trajectories(count)
        for _ in range(0, count, PORTION):
            store.append(row for row, _ in zip(rows, range(PORTION), strict=False))


def trajectories(count: int) -> Iterator[Trajectory]:
    chance = random.Random(1)
    for number in range(count):
        passed = chance.random() < 0.4
        family = chance.choice(FAMILIES)
        task = f"task-{number % 500}"
        row = Trajectory(
            key=AttemptKey(f"{number % 500:016x}", number, chance.choice(POLICIES)),
            task_id=task,
            family=family,
            split=chance.choice(SPLITS),
            env=json.dumps({"id": f"reachgym/{family}-v0", "kwargs": {"difficulty": 2}}),
            policy_version=0,
            opening=(
                Message("system", QUESTION),
                Message("user", f"Begin at {number}. {QUESTION}"),
            ),
            turns=tuple(turn(number, place, chance) for place in range(4)),
            verdict=Verdict(float(passed), passed, "the value is right" if passed else "wrong"),
            stop_reason=StopReason.ANSWERED if passed else chance.choice(list(StopReason)[:-1]),
            usage=Usage(4, chance.randrange(50, 4000), 900, 4, number % 3, 0),
            timings=Timings(chance.random() * 9, chance.random(), chance.random() * 10),
        )
        if chance.random() < 0.01:
            row = replace(
                row,
                verdict=Verdict(None, None),
                stop_reason=StopReason.FAILED,
                failure=Failure("SandboxError", "it died"),
            )
        yield row


def turn(number: int, place: int, chance: random.Random) -> Turn:
    """A call with a result, and the ids of what was sampled."""
    name = f"call_{place}_0"
    ids = tuple(chance.choices(range(30_000), k=40))
    found = f"{number}.{place}: {FOUND}"
    return Turn(
        Completion(
            Message(
                "assistant", "I look it up.", (ToolCall(name, "search", {"query": str(number)}),)
            ),
            sampled_ids=ids,
            logprobs=tuple(-chance.random() for _ in ids),
            seconds=chance.random(),
        ),
        (ToolResult(name, found, seconds=chance.random()),),
        (Message("tool", found, tool_call_id=name),),
    )


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Seconds that an action took, and what it gave."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
