"""Ten thousand executions, some of them hostile: every answer checked, and what is left counted.

    .venv/bin/python benchmarks/sandbox_churn.py --executions 10000 --level namespaces

Of a hundred executions one hangs, one takes memory without end, one forks without end, and one
crashes; the others are ordinary and their output is checked. They go through a pool from several
threads. It ends with status 1 where an answer is wrong or something is left.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from reachgym.envs.sandbox import kernel
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits

# Long enough for ordinary code beside a bomb on a busy machine.
LIMITS = SandboxLimits(wall_s=2.0, memory_bytes=128 * 2**20, processes=32)
IGNORE_ALL = (
    "import signal\n"
    "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
    "    signal.signal(n, signal.SIG_IGN)\n"
)
HOLD = "held = []\nwhile True: held.append(bytearray(b'x') * 2**22)\n"
HUNG = (
    "while True: pass",
    "import time; time.sleep(99)",
    IGNORE_ALL + "while True: signal.pause()",
    "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
)
MEMORY = (
    HOLD,
    "import os\nfor _ in range(4): os.fork()\n"
    "held = bytearray(b'x') * (24 * 2**20)\nimport time; time.sleep(99)",
    "import mmap\nheld = mmap.mmap(-1, 2**30); held.write(bytes(2**30))",
)
FORKS = (
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "import os\nwhile True:\n    try:\n        if os.fork() == 0: os.setsid()\n"
    "    except OSError: pass",
)
CRASHES = (
    ("import ctypes; ctypes.string_at(0)", -11),
    ("import os; os.abort()", -6),
    ("import os; os.kill(os.getpid(), 9)", -9),
    ("import sys; sys.setrecursionlimit(10**9)\ndef f(x): return [*map(f, [x])]\nf(1)", -11),
)


@dataclass(frozen=True, slots=True)
class Case:
    """An execution and what its answer must be.

    Attributes:
        kind: What it is an example of.
        code: What is run.
        is_right: Whether an answer is the right one.
    """

    kind: str
    code: str
    is_right: Callable[[ExecResult], bool]


def ordinary(number: int) -> Case:
    code = (
        f"import os\nopen('f', 'w').write('x' * {number % 1000})\n"
        f"print({number} ** 2, os.listdir())"
    )
    return Case("ordinary", code, partial(printed, f"{number**2} ['f']\n"))


def printed(stdout: str, result: ExecResult) -> bool:
    ending = (result.outcome, result.exit_code, result.stdout, result.stderr)
    return ending == (Outcome.EXITED, 0, stdout, "")


def is_contained(result: ExecResult) -> bool:
    """Ended by a limit, or told of it and ended by itself."""
    told = "MemoryError" in result.stderr or "Cannot allocate" in result.stderr
    return result.outcome is not Outcome.EXITED or (result.exit_code == 1 and told)


def crashed(number: int, result: ExecResult) -> bool:
    return (result.outcome, result.exit_code) == (Outcome.KILLED, number)


def cases(executions: int, rng: random.Random) -> Iterator[Case]:
    for number in range(executions):
        place = number % 100
        if place == 20:
            hung = rng.choice(HUNG)
            yield Case("hung", hung, lambda r: r.outcome is Outcome.TIMEOUT)
        elif place == 40:
            yield Case("memory bomb", rng.choice(MEMORY), is_contained)
        elif place == 60:
            bomb = rng.choice(FORKS)
            yield Case("fork bomb", bomb, lambda r: r.outcome is not Outcome.EXITED)
        elif place == 80:
            code, signal_number = rng.choice(CRASHES)
            yield Case("crash", code, partial(crashed, signal_number))
        else:
            yield ordinary(number)


@dataclass(frozen=True, slots=True)
class Held:
    """What the owner holds, and what there is of its own on the machine."""

    rss_mib: float
    descriptors: int
    threads: int
    processes: int
    groups: int
    mounts: int
    folders: int
    containers: int


def held() -> Held:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    prefix = f"reachgym-{os.getpid()}-"
    groups = [n for _, names, _ in os.walk("/sys/fs/cgroup") for n in names if n.startswith(prefix)]
    return Held(
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
        processes=len(descendants(os.getpid())),
        groups=len(groups),
        mounts=sum(
            line.split()[-2] in ("jail", "sandbox", "nothing")
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
        ),
        folders=len(list(Path(tempfile.gettempdir()).glob(f"{prefix}*"))),
        containers=containers(),
    )


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def containers() -> int:
    if shutil.which("docker") is None:
        return 0
    command = ["docker", "ps", "--all", "--quiet", "--filter", "label=reachgym.owner"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return len(listed.stdout.split())


def print_progress(done: int, executions: int, started_s: float) -> None:
    if done % max(1, executions // 10) == 0:
        per_s = done / (time.monotonic() - started_s)
        print(f"{done} done, {per_s:.0f} a second, {held()}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--level", type=Level, choices=list(Level), default=Level.NAMESPACES)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    # What escapes from the sandbox's own processes comes to this one, and is counted.
    kernel.adopt_orphans()
    before = held()
    answers, wrong = collections.defaultdict[str, list[float]](list), []
    at_ten_percent = before
    started_s = time.monotonic()
    size = os.cpu_count() or 1
    with (
        SandboxPool(partial(open_level, arguments.level, LIMITS), size) as pool,
        ThreadPoolExecutor(arguments.threads) as threads,
    ):

        def answer(case: Case) -> tuple[Case, ExecResult]:
            return case, pool.exec(case.code)

        batch = max(1, arguments.executions // 10)
        todo = list(cases(arguments.executions, random.Random(0)))
        for start in range(0, len(todo), batch):
            for case, result in threads.map(answer, todo[start : start + batch]):
                answers[f"{case.kind}: {result.outcome}"].append(result.seconds)
                if not case.is_right(result):
                    wrong.append((case, result))
            if start == 0:
                at_ten_percent = held()
            print_progress(start + batch, arguments.executions, started_s)
        at_end = held()
    seconds = time.monotonic() - started_s
    after = held()
    print(f"level {arguments.level}: {arguments.executions} executions in {seconds:.0f} s")
    print_answers(answers)
    times = {"before": before, "at a tenth": at_ten_percent, "at the end": at_end, "closed": after}
    for when, seen in times.items():
        print(f"{when:<11}{seen}")
    for case, result in wrong[:10]:
        print(f"WRONG {case.kind}: {case.code!r} gave {result}")
    ok = not wrong and is_clean(before, at_ten_percent, at_end, after)
    print("every answer right, nothing left, nothing grown" if ok else "NOT as it should be")
    sys.exit(0 if ok else 1)


def print_answers(answers: dict[str, list[float]]) -> None:
    print("\n| kind: outcome | executions | p50 s | longest s |\n|---|---|---|---|")
    for name, took_s in sorted(answers.items()):
        print(f"| {name} | {len(took_s)} | {np.median(took_s):.3f} | {max(took_s):.3f} |")
    print()


def is_clean(before: Held, at_ten_percent: Held, at_end: Held, after: Held) -> bool:
    grown = (
        at_end.descriptors > at_ten_percent.descriptors + 4
        or at_end.threads > at_ten_percent.threads + 2
        or at_end.rss_mib > at_ten_percent.rss_mib * 1.1 + 5
    )
    left = (
        after.processes > before.processes
        or after.groups
        or after.folders
        or after.mounts > before.mounts
        or after.containers > before.containers
        or after.descriptors > before.descriptors + 4
    )
    return not grown and not left


if __name__ == "__main__":
    main()
