"""Python-tool episodes of the peers beside this project's: two executions and an answer.

    python benchmarks/rollout_peers.py
    PATH=/opt/bwrap/bin:$PATH python benchmarks/rollout_peers.py --rounds 9

Each peer is installed from PyPI into a virtual environment of its own under --venvs, and plays in a
process of its own; a contender's start is not timed. Policies are scripted, every tool output is
asserted, and rounds of all contenders take turns. Ratios are medians over rounds of what was
measured within one round. A peer that cannot run here is named with the reason, and left out.
verifiers 0.4.0 is not among them: it runs agents as programs of their own that speak to a model
endpoint, so its figure would be that of another kind of episode.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gymnasium
from rollout_peer_scripts import CONTENDERS, FLIGHT, Contender
from sandbox_peer_tools import install

from reachgym.agents.scripted import ScriptedAgent
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.sandbox.levels import Level
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import Budget, Message, Task, ToolCall
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import run_attempts

CODES = ("print(6 * 7)", "print(sum(range(10)))")
PRINTED = ("42", "45")
TASK = Task("sum", "What is the sum?", PRINTED[-1])
REF = EnvRef("bench/Sum-v0")
EPISODES = 200
_DRIVER = """
import contextlib, json, sys, time
answers, sys.stdout = sys.stdout, sys.stderr
{make}
print("ready", file=answers, flush=True)
for line in sys.stdin:
    started_s = time.perf_counter()
    play(int(line))
    print(json.dumps(time.perf_counter() - started_s), file=answers, flush=True)
"""


@dataclass(slots=True)
class Row:
    """A line of the table; `play` takes a number of episodes and says how many seconds it took."""

    name: str
    isolation: str
    concurrency: str
    episodes: int
    goal: float | None
    play: Callable[[int], float]
    per_s: list[float] = field(default_factory=list)


def scripted_turn(messages: tuple[Message, ...], seed: int) -> Message:
    number = sum(message.role == "assistant" for message in messages)
    if number == len(CODES):
        return Message("assistant", messages[-1].content)
    return Message("assistant", "", (ToolCall(f"c{number}", "python", {"code": CODES[number]}),))


def scheduled(count: int) -> float:
    """Episodes through the scheduler, in one process."""
    attempts = (Attempt(TASK, REF, seed, "scripted", Budget()) for seed in range(count))
    started_s = time.perf_counter()
    played = list(run_attempts(ScriptedAgent(scripted_turn), attempts, slots=FLIGHT))
    took_s = time.perf_counter() - started_s
    for row in played:
        printed = [result.content for turn in row.turns for result in turn.results]
        if tuple(printed) != PRINTED or not row.verdict.passed:
            raise SystemExit(f"expected the tool to print {PRINTED}, got {printed}")
    if len(played) != count:
        raise SystemExit(f"expected {count} episodes, got {len(played)}")
    return took_s


def bare(count: int) -> float:
    """Episodes stepped one after the other, as with any Gymnasium environment."""
    with contextlib.closing(gymnasium.make(REF.id)) as env:
        started_s = time.perf_counter()
        for _ in range(count):
            messages, _info = env.reset(options={"task": TASK})
            for number, wanted in enumerate(PRINTED):
                replies, *_rest = env.step(scripted_turn(messages, 0))
                if (printed := replies[0].content) != wanted:
                    raise SystemExit(f"expected {wanted} from turn {number}, got {printed}")
                messages = (*messages, Message("assistant"), *replies)
            reward = env.step(scripted_turn(messages, 0))[1]
            if reward != 1.0:
                raise SystemExit(f"expected a reward of 1, got {reward}")
        return time.perf_counter() - started_s


class Process:
    """A peer that plays in a process of its own."""

    def __init__(self, contender: Contender, venv: Path, folder: Path) -> None:
        self._errors = (folder / "stderr").open("w+b")
        path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            [str(venv / "bin/python"), "-c", _DRIVER.format(make=contender.peer.make)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env={**os.environ, "PATH": path, "HOME": str(folder), "TOKENIZERS_PARALLELISM": "0"},
        )
        self._line()

    def play(self, count: int) -> float:
        if self._process.stdin is None:
            raise SystemExit("expected a pipe to the peer")
        self._process.stdin.write(f"{count}\n".encode())
        self._process.stdin.flush()
        return float(json.loads(self._line()))

    def end(self) -> None:
        # Its input ends, and so does it: what it started is ended by itself.
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=30)
        self._errors.close()

    def _line(self) -> bytes:
        if self._process.stdout is None:
            raise SystemExit("expected a pipe from the peer")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ChildProcessError(self._errors.read().decode(errors="replace")[-2000:])
        return line


def with_an_interpreter_inside(venv: Path) -> Path:
    """The environment with its interpreter copied into it.

    GEM shows its sandbox the environment but not /usr/bin, where the usual link points to.
    """
    python = venv / "bin/python"
    if python.is_symlink():
        real = python.resolve()
        python.unlink()
        shutil.copy2(real, python)
    return venv


def peers(venvs: Path, stack: contextlib.ExitStack) -> Iterator[Row]:
    for contender in CONTENDERS:
        peer = contender.peer
        if contender.bwrap and shutil.which("bwrap") is None:
            print(f"not here: {peer.name}: there is no bwrap on the PATH")
            continue
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peer-")))
        try:
            venv = install(peer, venvs)
            if contender.bwrap:
                with_an_interpreter_inside(venv)
            process = Process(contender, venv, folder)
            stack.callback(process.end)
            process.play(FLIGHT)
        except (subprocess.CalledProcessError, ChildProcessError) as error:
            print(f"not here: {peer.name}: {error}")
            continue
        yield Row(
            peer.name,
            peer.isolation,
            contender.concurrency,
            contender.episodes,
            contender.goal,
            process.play,
        )


def ours() -> list[Row]:
    register(REF.id, tasks=[TASK], tools=[python_tool])
    level = f"{Level.NAMESPACES}: namespaces, seccomp, limits of memory, processes and time"
    return [
        Row("reachgym, scheduler", level, "run_attempts: threads", EPISODES, None, scheduled),
        Row("reachgym, bare loop", level, "none", EPISODES, None, bare),
    ]


def print_table(rows: list[Row]) -> None:
    first = rows[0]
    print(f"\n{FLIGHT} episodes at once where there is concurrency, {os.cpu_count()} cores")
    print("| contender | isolation | concurrency | episodes/s (min to max) | ratio | goal |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        ratio = statistics.median(a / b for a, b in zip(first.per_s, row.per_s, strict=True))
        figures = f"{statistics.median(row.per_s):,.1f} ({min(row.per_s):,.1f} to"
        figures += f" {max(row.per_s):,.1f})"
        goal = "" if row.goal is None else f"{row.goal:.0f}: {_reached(ratio, row.goal)}"
        cells = (row.name, row.isolation, row.concurrency, figures, f"{ratio:.1f}", goal)
        print("| " + " | ".join(cells) + " |")


def _reached(ratio: float, goal: float) -> str:
    return "reached" if ratio >= goal else "NOT reached"


def main() -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--venvs", type=Path, metavar="FOLDER", default=cache / "reachgym" / "peers"
    )
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        rows = [*ours(), *peers(given.venvs, stack)]
        for row in rows:
            row.play(FLIGHT)
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr, flush=True)
            for row in rows:
                row.per_s.append(row.episodes / row.play(row.episodes))
        print_table(rows)


if __name__ == "__main__":
    main()
