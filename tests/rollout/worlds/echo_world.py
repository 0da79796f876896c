"""An environment and agents that follow a script; importable by Ray workers, too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reachgym.agents.protocol import Completion
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Budget, Message, Task, ToolCall, Verdict
from reachgym.rollout.episode import Attempt

TASKS = [Task(f"t{i}", f"What is {i} + 1?", str(i + 1), family="sums") for i in range(8)]
REF = EnvRef("test/Echo-v0")


@tool
def echo(x: int) -> int:
    """Give back a number."""
    return x


@tool
def broken(x: int) -> int:
    """Fail, as a tool whose machine is gone."""
    raise OSError(f"the machine of {x} is gone")


@tool
def slow(x: int) -> int:
    """Give back a number after 50 milliseconds."""
    time.sleep(0.05)
    return x


def graded(attempt) -> Verdict:
    if attempt.answer is None:
        return Verdict(0.25, False, "stopped")
    right = attempt.answer == attempt.task.gold
    return Verdict(float(right), right, "answered")


register("test/Echo-v0", tasks=TASKS, tools=[echo, broken, slow], verifier=graded)


def attempts(n: int, *, budget: Budget | None = None, ref: EnvRef = REF) -> list[Attempt]:
    return [Attempt(TASKS[i % 8], ref, i, "base", budget or Budget()) for i in range(n)]


def call(*names: str, tokens: int = 0, prompt: int = 0, **completion) -> Completion:
    calls = tuple(ToolCall(f"c{i}", name, {"x": i}) for i, name in enumerate(names))
    return Completion(
        Message("assistant", "", calls),
        prompt_ids=(1,) * prompt,
        sampled_ids=(2,) * tokens,
        logprobs=(-0.5,) * tokens,
        **completion,
    )


def answer(text: str, tokens: int = 0, **completion) -> Completion:
    return Completion(
        Message("assistant", text),
        sampled_ids=(3,) * tokens,
        logprobs=(-0.5,) * tokens,
        **completion,
    )


class ScriptedAgent:
    """Says the n-th line of its script on the n-th turn of every conversation."""

    def __init__(self, *script: Completion | Exception) -> None:
        self.script = script
        self.limits, self.seeds, self.seen = [], [], []

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        self.seen += conversations
        self.limits += limits
        self.seeds += seeds
        lines = [self.script[len(conversation.exchanges)] for conversation in conversations]
        for line in lines:
            if isinstance(line, Exception):
                raise line
        return lines


class SeededAgent:
    """Calls `echo` or `slow` as often as its seeds say, then answers rightly or wrongly."""

    def __init__(self, tool_name: str = "echo") -> None:
        self.batches: list[int] = []
        self.version = 0
        self._tool = tool_name

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        self.batches.append(len(conversations))
        return [self._turn(*row) for row in zip(conversations, seeds, strict=True)]

    def load_weights(self, state, version: int) -> None:
        self.version = version + int(np.sum(state["w"]))

    def score(self, sequences) -> list[np.ndarray]:
        return [-sequence.ids[sequence.mask].astype(np.float32) for sequence in sequences]

    def _turn(self, conversation, seed: int) -> Completion:
        if seed % 3 and len(conversation.exchanges) < 4:
            return call(self._tool, tokens=seed % 5, prompt=2, policy_version=self.version)
        question = conversation.opening[-1].content
        gold = int(question.split()[2]) + 1
        return answer(str(gold if seed % 2 else 0), tokens=1, policy_version=self.version)


class Deadly(SeededAgent):
    """Kills its own process at one task, always or as long as a file is not there yet."""

    def __init__(self, victim_seed: int, once: Path | None = None) -> None:
        super().__init__()
        self._victim, self._once = victim_seed, once

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        prompts = [conversation.opening[-1].content for conversation in conversations]
        if any(prompt.startswith(f"What is {self._victim} ") for prompt in prompts):
            if self._once is None:
                os.kill(os.getpid(), signal.SIGKILL)
            elif not self._once.exists():
                self._once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().act(conversations, tools, limits, seeds)

    def score(self, sequences) -> list[np.ndarray]:
        if any(self._victim in sequence.ids for sequence in sequences):
            if self._once is None:
                os.kill(os.getpid(), signal.SIGKILL)
            elif not self._once.exists():
                self._once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().score(sequences)


class Weightless(ScriptedAgent):
    """Takes no weights."""


def pids(folder: Path) -> Sequence[int]:
    return [int(path.name) for path in folder.iterdir()]


class Announcing(SeededAgent):
    """Leaves its process id in a folder and takes its time, so that it can be killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        (folder / str(os.getpid())).touch()

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        time.sleep(0.02)
        return super().act(conversations, tools, limits, seeds)
