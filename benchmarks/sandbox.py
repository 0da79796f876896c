"""How fast code runs in each sandbox level, beside a bare interpreter and Docker's own commands.

    .venv/bin/python benchmarks/sandbox.py

Every round takes each thing in turn, so that the machine's noise meets all alike, and what a goal
says is taken round by round. Levels that the machine does not give are named with the reason.
Docker is found as its own command finds it.
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
from numpy.typing import NDArray

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.docker.engine import connect
from reachgym.envs.sandbox.docker.image import find_image
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits

Array = NDArray[np.float64]

CODE = "print(1)"
BARE = "bare python3 -S -E"
DOCKER_EXEC = "docker exec, by docker-py"
# What was just timed may still be ending: containers take a while.
SETTLE_S = 0.1
# Between turns a model thinks; a loop over executions does not.
EXEC, IN_A_ROW, REST_S = "exec", "exec, in a row", 0.02


@dataclass(slots=True)
class Timed:
    """Something that is done again and again.

    Attributes:
        name: What it is.
        do: Does it once.
        per_round: How often in each round.
        rest_s: Seconds before each time.
        rounds: Seconds that each time took, round by round.
    """

    name: str
    do: Callable[[], object]
    per_round: int
    rest_s: float = 0.0
    rounds: list[list[float]] = field(default_factory=list)

    def run_round(self) -> None:
        time.sleep(SETTLE_S)
        self.rounds.append([self.once() for _ in range(self.per_round)])

    def once(self) -> float:
        time.sleep(self.rest_s)
        started_s = time.perf_counter()
        self.do()
        return time.perf_counter() - started_s

    @property
    def medians_ms(self) -> Array:
        """Of each round."""
        return np.array([np.median(took_s) * 1e3 for took_s in self.rounds])

    @property
    def p50_ms(self) -> float:
        return float(np.median(self.rounds)) * 1e3

    @property
    def p99_ms(self) -> float:
        return float(np.quantile(self.rounds, 0.99)) * 1e3

    @property
    def per_s(self) -> Array:
        """Of each round: one after the other, for as long as all took together."""
        return np.array([len(took_s) / sum(took_s) for took_s in self.rounds])


def bare() -> None:
    command = [sys.executable, "-S", "-E", "-c", CODE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def of_sandbox(level: Level, sandbox: Sandbox, stack: contextlib.ExitStack) -> Iterator[Timed]:
    """Everything that a level is asked for."""
    session = stack.enter_context(sandbox.open_session())
    for kind, rest_s in ((EXEC, REST_S), (IN_A_ROW, 0.0)):
        yield Timed(f"{level}: {kind}", lambda: expect_one(sandbox.exec(CODE).stdout), 20, rest_s)
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
        cells = (np.size(one.rounds), f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}")
        print(f"| {one.name}", *cells, f"{one.p50_ms / bare_ms:.3f} |", sep=" | ")


def print_goals(timed: dict[str, Timed]) -> None:
    print("\nmedian of the rounds, and their middle half:")
    for kind in (EXEC, IN_A_ROW):
        execution = timed.get(f"{Level.NAMESPACES}: {kind}")
        if execution is not None:
            p50_ms = execution.medians_ms
            bare_ms = timed[BARE].medians_ms
            goal(f"namespaces, {kind}: p50 over a bare start's", p50_ms / bare_ms, at_most=0.5)
            if DOCKER_EXEC in timed:
                faster = timed[DOCKER_EXEC].medians_ms / p50_ms
                goal(f"docker exec over namespaces, {kind}: p50", faster, at_least=10)
            tail = np.array([execution.p99_ms / execution.p50_ms])
            goal(f"namespaces, {kind}: p99 over p50, of all rounds", tail, at_most=4)
            if kind is IN_A_ROW:
                goal("namespaces, executions a second of one zygote", execution.per_s, at_least=200)
        container = timed.get(f"{Level.DOCKER}: {kind}")
        if container is not None:
            goal(f"docker, warm container, {kind}: p50 ms", container.medians_ms, at_most=5)


def goal(
    what: str, values: Array, *, at_most: float = float("inf"), at_least: float = -float("inf")
) -> None:
    low, value, high = np.quantile(values, (0.25, 0.5, 0.75))
    bound = f"at most {at_most:g}" if at_least == -float("inf") else f"at least {at_least:g}"
    reached = "reached" if at_least <= value <= at_most else "MISSED"
    print(f"{what}: {value:.3g} [{low:.3g}, {high:.3g}] ({bound}: {reached})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        timed = list(everything(stack))
        for one in timed:
            one.once()
        load_before = os.getloadavg()[0]
        for _ in range(rounds):
            for one in timed:
                one.run_round()
    load = f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"{os.cpu_count()} processors, {load}, {rounds} rounds")
    print_table(timed)
    print_goals({one.name: one for one in timed})


if __name__ == "__main__":
    main()
