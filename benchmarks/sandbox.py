"""How fast code runs in each sandbox level, beside a bare interpreter and Docker's own commands.

    .venv/bin/python benchmarks/sandbox.py

Every round takes each thing in turn, so that the machine's noise meets all alike. Levels that the
machine does not give are named with the reason. Docker is found as its own command finds it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import docker
import numpy as np
from docker.errors import DockerException

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.docker.engine import connect
from reachgym.envs.sandbox.docker.image import find_image
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits

CODE = "print(1)"
BARE = "bare python3 -S -E"
DOCKER_EXEC = "docker exec, by docker-py"


@dataclass(slots=True)
class Timed:
    """Something that is done again and again.

    Attributes:
        name: What it is.
        do: Does it once.
        per_round: How often in each round.
        took_s: Seconds that each time took.
    """

    name: str
    do: Callable[[], object]
    per_round: int
    took_s: list[float] = field(default_factory=list)

    def run_round(self) -> None:
        for _ in range(self.per_round):
            started_s = time.perf_counter()
            self.do()
            self.took_s.append(time.perf_counter() - started_s)

    @property
    def p50_ms(self) -> float:
        return float(np.median(self.took_s)) * 1e3

    @property
    def p99_ms(self) -> float:
        return float(np.quantile(self.took_s, 0.99)) * 1e3

    @property
    def per_s(self) -> float:
        """One after the other, for as long as it took in all."""
        return len(self.took_s) / sum(self.took_s)


def bare() -> None:
    command = [sys.executable, "-S", "-E", "-c", CODE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def of_sandbox(level: Level, sandbox: Sandbox, stack: contextlib.ExitStack) -> Iterator[Timed]:
    """Everything that a level is asked for."""
    session = stack.enter_context(sandbox.open_session())
    yield Timed(f"{level}: exec", lambda: expect_one(sandbox.exec(CODE).stdout), 20)
    yield Timed(f"{level}: cell of a session", lambda: expect_one(session.run("1").stdout), 20)
    yield Timed(f"{level}: shell of a session", lambda: session.shell("true"), 5)
    yield Timed(f"{level}: opening a session", lambda: sandbox.open_session().close(), 1)


def expect_one(stdout: str) -> None:
    if stdout != "1\n":
        raise SystemExit(f"expected 1, got {stdout!r}")


def of_docker(stack: contextlib.ExitStack) -> Iterator[Timed]:
    """Docker's own ways to run something in a container, with the image of the docker level."""
    engine = connect("runc")
    image = find_image(engine, None)
    api = docker.from_env(version="auto").api
    made = api.create_container(
        image, ["sleep", "1000"], host_config=api.create_host_config(network_mode="none")
    )
    stack.callback(api.remove_container, made["Id"], force=True)
    api.start(made["Id"])
    command = ["python3", "-S", "-E", "-c", CODE]

    def execute() -> None:
        output = api.exec_start(api.exec_create(made["Id"], command)["Id"])
        expect_one(output.decode())

    run = ["docker", "run", "--rm", "--network=none", image, *command]
    yield Timed(DOCKER_EXEC, execute, 2)
    yield Timed("docker run --rm", lambda: subprocess.run(run, check=True, capture_output=True), 1)


def everything(stack: contextlib.ExitStack) -> Iterator[Timed]:
    yield Timed(BARE, bare, 10)
    for level in reversed(Level):
        try:
            sandbox = stack.enter_context(open_level(level, SandboxLimits()))
        except SandboxError as error:
            print(f"not here: {level}: {error}")
            continue
        yield from of_sandbox(level, sandbox, stack)
    try:
        yield from of_docker(stack)
    except (SandboxError, DockerException) as error:
        print(f"not here: Docker's own commands: {error}")


def print_table(timed: list[Timed]) -> None:
    bare_ms = timed[0].p50_ms
    print("\n| | times | p50 ms | p99 ms | x bare start |\n|---|---|---|---|---|")
    for one in timed:
        cells = (len(one.took_s), f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}")
        print(f"| {one.name}", *cells, f"{one.p50_ms / bare_ms:.3f} |", sep=" | ")


def print_goals(timed: dict[str, Timed]) -> None:
    print()
    execution = timed.get(f"{Level.NAMESPACES}: exec")
    if execution is not None:
        p50, p99 = execution.p50_ms, execution.p99_ms
        goal("namespaces, p50 over a bare start's", p50 / timed[BARE].p50_ms, at_most=0.5)
        goal("namespaces, p99 over p50", p99 / p50, at_most=4)
        goal("namespaces, executions a second of one zygote", execution.per_s, at_least=200)
        if DOCKER_EXEC in timed:
            goal("docker exec over namespaces, p50", timed[DOCKER_EXEC].p50_ms / p50, at_least=10)
    container = timed.get(f"{Level.DOCKER}: exec")
    if container is not None:
        goal("docker, warm container, p50 ms", container.p50_ms, at_most=5)


def goal(
    what: str, value: float, *, at_most: float | None = None, at_least: float | None = None
) -> None:
    if at_most is not None:
        reached, bound = value <= at_most, f"at most {at_most:g}"
    else:
        reached, bound = value >= (at_least or 0.0), f"at least {at_least:g}"
    print(f"{what}: {value:.3g} ({bound}: {'reached' if reached else 'MISSED'})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        timed = list(everything(stack))
        for one in timed:
            one.run_round()
            one.took_s.clear()
        for _ in range(rounds):
            for one in timed:
                one.run_round()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    print_table(timed)
    print_goals({one.name: one for one in timed})


if __name__ == "__main__":
    main()
