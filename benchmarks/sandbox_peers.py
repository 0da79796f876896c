"""The Python tools of peers beside this project's sandbox: speed, kind of isolation, attacks held.

    sudo .venv/bin/python benchmarks/sandbox_peers.py --venvs FOLDER

Each peer is installed from PyPI into a virtual environment of its own in FOLDER, and runs in a
process of its own, as an unprivileged user and in a control group that keeps its failures from this
machine: it needs root, and a control group that may be made. An attack is contained when the tool
answers, no more than so late, without what was wanted, and without the outer limits having had to
help. Each is tried as written, and in a spelling in which no word of it can be read. A tool that
refuses everything holds every attack, so some ordinary programs are run as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sandbox_attacks import (
    ATTACKS,
    ENVIRONMENT_NAME,
    MARK,
    SECRET,
    Attack,
    World,
    clean_up,
    disguise,
)
from sandbox_peer_driver import LONGEST_ANSWER, STRANGER, Driver
from sandbox_peer_tools import DEADLINE_S, PEERS, install

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits

CALLS = 40
# Programs as agents write them, and what they print.
ORDINARY = {
    "print(sum(n * n for n in range(1000)))": "332833500",
    "import json, re\nprint(json.dumps(re.findall('[a-z]+', 'ab 1 cd')))": '["ab", "cd"]',
    "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(7))": "P(x=7)",
    "from fractions import Fraction\nprint(Fraction(1, 3) + Fraction(1, 6))": "1/2",
    "open('f', 'w').write('kept')\nprint(open('f').read())": "kept",
    "import os, tempfile\nwith tempfile.TemporaryDirectory() as d: print(os.listdir(d))": "[]",
    "import sqlite3 as s\nprint(*s.connect(':memory:').execute('select 6 * 7'))": "(42,)",
    "import threading\nt = threading.Thread(target=print, args=[42])\nt.start()\nt.join()": "42",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(6 * 7)'])": "42",
    "import multiprocessing as m\nwith m.Pool(2) as p: print(p.map(abs, [-1, -2]))": "[1, 2]",
}
_WORDS = {
    (True, True): "held",
    (True, False): "held, not in disguise",
    (False, True): "held in disguise alone",
    (False, False): "NOT HELD",
}


@dataclass
class Contender:
    """A tool under test.

    Attributes:
        name: Whose it is.
        isolation: What it uses.
        run: Runs code and answers; None where no answer came in time.
        helped: Whether limits around the tool had to help since it was last asked.
        ordinary: Whether each of the ordinary programs printed what it should.
        held: Attacks that were contained, as written and in disguise.
        took_s: Seconds of each call.
    """

    name: str
    isolation: str
    run: Callable[[str], str | None]
    helped: Callable[[], bool]
    ordinary: list[bool] = field(default_factory=list)
    held: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)


@contextlib.contextmanager
def a_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="comparison-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret.txt"
        secret.write_text(SECRET)
        tcp, abstract = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
        path = f"\0comparison-{os.getpid()}"
        with tcp, abstract:
            abstract.bind(path)
            abstract.listen()
            tcp.setblocking(False)
            abstract.setblocking(False)
            bystander = subprocess.Popen(
                ["sleep", "1000"], user=STRANGER, start_new_session=True, cwd="/"
            )
            world = World(folder, secret, tcp.getsockname()[1], path, bystander, (tcp, abstract))
            try:
                yield world
            finally:
                clean_up(world)
                bystander.kill()
                bystander.wait()


def is_contained(
    contender: Contender, attack: Attack, spell: Callable[[str], str] = lambda code: code
) -> bool:
    """Try an attack in a world of its own; whether it was contained."""
    with a_world() as world:
        if attack.first:
            contender.run(spell(attack.first))
        answer = contender.run(spell(attack.code(world)))
        harmed = attack.harm(world)
    helped = contender.helped()
    wanted = answer is None or MARK in answer or SECRET in answer or len(answer) > LONGEST_ANSWER
    return not (wanted or harmed or helped)


def of_level(level: Level, sandbox: Sandbox) -> Contender:
    def run(code: str) -> str:
        result = sandbox.exec(code)
        return result.stdout + result.stderr

    return Contender(f"reachgym, {level}", level, run, lambda: False)


def contenders(venvs: Path, stack: contextlib.ExitStack) -> Iterator[Contender]:
    os.environ[ENVIRONMENT_NAME] = SECRET
    for peer in PEERS:
        driver = Driver(peer, install(peer, venvs))
        stack.callback(driver.end)
        yield Contender(peer.name, peer.isolation, driver.run, driver.helped)
    for level in reversed(Level):
        try:
            sandbox = open_level(level, SandboxLimits(wall_s=DEADLINE_S))
        except SandboxError as error:
            print(f"not here: {level}: {error}")
            continue
        yield of_level(level, stack.enter_context(sandbox))


def measure(contender: Contender) -> None:
    """Calls that do next to nothing."""
    for _ in range(CALLS):
        started_s = time.perf_counter()
        answer = contender.run("print(1)")
        contender.took_s.append(time.perf_counter() - started_s)
        if answer is None or "1" not in answer:
            raise SystemExit(f"{contender.name} answered {answer!r} to print(1)")


def ran(contender: Contender, code: str, printed: str) -> bool:
    """Whether an ordinary program gave what it should."""
    answer = contender.run(code)
    contender.helped()
    return answer is not None and printed in answer


def print_tables(tried: list[Contender]) -> None:
    print(
        "\n| tool | isolation | print(1), p50 ms | ordinary programs | attacks held | in disguise |"
    )
    print("|---|---|---|---|---|---|")
    for one in tried:
        p50 = f"{float(np.median(one.took_s)) * 1e3:.1f}"
        plain, disguised = (sum(column) for column in zip(*one.held.values(), strict=True))
        ordinary = f"{sum(one.ordinary)} of {len(ORDINARY)}"
        held = (f"{plain} of {len(ATTACKS)}", f"{disguised} of {len(ATTACKS)}")
        print(f"| {one.name}", one.isolation, p50, ordinary, *held, sep=" | ", end=" |\n")
    for one in tried:
        for code, ran_well in zip(ORDINARY, one.ordinary, strict=True):
            if not ran_well:
                print(f"{one.name} did not run {code!r}")
    print("\n| attack |", " | ".join(one.name for one in tried), "|")
    print("|---|" + "---|" * len(tried))
    for attack in ATTACKS:
        cells = (_WORDS[one.held[attack.name]] for one in tried)
        print(f"| {attack.name}", *cells, sep=" | ", end=" |\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, metavar="FOLDER", required=True)
    venvs = parser.parse_args().venvs
    if os.geteuid() != 0:
        sys.exit("expected root, which runs the peers' tools as an unprivileged user")
    with contextlib.ExitStack() as stack:
        tried = list(contenders(venvs, stack))
        for contender in tried:
            measure(contender)
            contender.ordinary = [ran(contender, *program) for program in ORDINARY.items()]
            for attack in ATTACKS:
                print(f"{contender.name}: {attack.name}", file=sys.stderr, flush=True)
                contender.held[attack.name] = (
                    is_contained(contender, attack),
                    is_contained(contender, attack, disguise),
                )
    print_tables(tried)


if __name__ == "__main__":
    main()
