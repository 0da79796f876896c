"""Environments and agents for fleets: marked starts, gates, versions, sandboxes at work."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from echo_world import SeededAgent, call, graded

from reachgym.agents.protocol import Completion
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import Message, Task, ToolCall
from reachgym.rollout.episode import Attempt

TASKS = [Task(f"n{i}", f"What is {i} + 1?", str(i + 1), family="sums") for i in range(1000)]
FOLDER = "FLEET_WORLD_FOLDER"


def folder() -> Path:
    return Path(os.environ[FOLDER])


@tool
def gate(x: int) -> int:
    """Wait until a file named open is there."""
    while not (folder() / "open").exists():
        time.sleep(0.01)
    return x


register("test/Numbers-v0", tasks=TASKS, tools=[gate], verifier=graded)
register("test/Coder-v0", tasks=TASKS[:8], tools=[python_tool], verifier=graded)

REF = EnvRef("fleet_world:test/Numbers-v0")


def attempts(n: int, first: int = 0) -> list[Attempt]:
    return [Attempt(TASKS[i], REF, i, "base") for i in range(first, first + n)]


def coding(n: int) -> list[Attempt]:
    return [Attempt(TASKS[i], EnvRef("fleet_world:test/Coder-v0"), i, "base") for i in range(n)]


def number(conversation) -> int:
    return int(conversation.opening[-1].content.split()[2])


class Marking:
    """Leaves a file for every episode that starts, then answers."""

    version = 0

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        return [self._turn(conversation) for conversation in conversations]

    def load_weights(self, state, version: int) -> None:
        self.version = version

    def _turn(self, conversation) -> Completion:
        (folder() / f"started-{number(conversation)}").touch()
        return self._answer(conversation)

    def _answer(self, conversation) -> Completion:
        text = str(number(conversation) + 1)
        return Completion(Message("assistant", text), policy_version=self.version)


class Gated(Marking):
    """Stands before the gate at every n-th task, and answers the others at once."""

    def __init__(self, every: int) -> None:
        self._every = every

    def _turn(self, conversation) -> Completion:
        if number(conversation) % self._every == 0 and not conversation.exchanges:
            return call("gate", policy_version=self.version)
        return super()._turn(conversation)


class Bulky(Marking):
    """Talks so much that its episodes lie in the object store of their node until fetched."""

    def _answer(self, conversation) -> Completion:
        return Completion(Message("assistant", "word " * 50_000))


class Watching(SeededAgent):
    """Tells where in shared memory its weights lie, and whether they can be written."""

    def load_weights(self, state, version: int) -> None:
        self.version = version
        weights = state["w"]
        address = weights.__array_interface__["data"][0]
        with Path("/proc/self/maps").open() as maps:
            for line in maps:
                span, _, offset, _, inode, *_ = line.split()
                start, end = (int(edge, 16) for edge in span.split("-"))
                if start <= address < end:
                    place = f"{inode}-{int(offset, 16) + address - start}"
        told = f"{place} {weights.flags.writeable} {float(np.sum(weights)):g}"
        (folder() / f"{version}-{os.getpid()}").write_text(told)


class Coding:
    """Runs code that sleeps until its process is killed for it; tells which process it is."""

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        (folder() / f"worker-{os.getpid()}").touch()
        return [self._turn(conversation) for conversation in conversations]

    def _turn(self, conversation) -> Completion:
        if conversation.exchanges or (folder() / "killed").exists():
            return Completion(Message("assistant", "0"))
        code = {"code": "import time\ntime.sleep(60)"}
        return Completion(Message("assistant", "", (ToolCall("c0", "python", code),)))


def busy_workers(least: int) -> dict[int, list[int]]:
    """Processes below each worker, once so many have some and these have stopped to multiply."""
    before: dict[int, list[int]] = {}
    while True:
        found = {int(file.name[7:]): [] for file in folder().glob("worker-*")}
        for pid in found:
            found[pid] = descendants(pid)
        if len(found) >= least and all(found.values()) and found == before:
            return found
        before = found
        time.sleep(0.5)


def descendants(pid: int) -> list[int]:
    """All living processes below a process."""
    found = [pid]
    for parent in found:
        for listed in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, listed.read_text().split())
    return found[1:]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
