"""An environment and policies whose attempts depend on their tasks alone, whatever breaks."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reachgym.agents.endpoint.agent import EndpointFactory
from reachgym.agents.endpoint.settings import EndpointSettings, Retries
from reachgym.agents.protocol import Completion
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.types import Message, Task, ToolCall, Verdict
from reachgym.rollout.episode import Attempt
from reachgym.rollout.trajectory import Timings, Trajectory

REF = EnvRef("faulty_world:faults/World-v0")
# While this file is there, engines run out of memory.
NO_MEMORY = "FAULTS_NO_MEMORY"
POLICIES = ("local", "remote")
_ATTEMPTS_A_TASK = 4
_PYTHON_SHARE = 0.15


@tool
def nap(ms: float) -> str:
    """Sleep.

    Args:
        ms: How long.
    """
    time.sleep(ms / 1000)
    return f"slept {ms}"


def task(number: int) -> Task:
    return Task(f"n{number}", f"Play {number}", str(number), family="faults")


def graded(attempt) -> Verdict:
    # Every third answer is wrong, so that verdicts differ.
    right = attempt.answer is not None and int(attempt.task.gold) % 3 > 0
    return Verdict(float(right), right, f"answered {attempt.answer}")


register(
    "faults/World-v0",
    tasks=[task(number) for number in range(2500)],
    tools=[nap, python_tool],
    verifier=graded,
)


def attempts(policy: str, count: int) -> list[Attempt]:
    return [
        Attempt(task(number // _ATTEMPTS_A_TASK), REF, number, policy) for number in range(count)
    ]


def line(prompt: str, taken: int, last: str) -> tuple[str, dict] | str:
    """What is said next: a tool's name with its arguments, or the answer.

    Args:
        prompt: The task's.
        taken: Turns taken so far.
        last: What the last tool gave.
    """
    number = int(prompt.split()[1])
    rng = random.Random(number * 100 + taken)
    if taken == number % 4:
        return f"{number} after {last!r}"
    if rng.random() < _PYTHON_SHARE:
        return "python", {"code": f"print({number} * {taken} + 1)"}
    return "nap", {"ms": round(min(rng.lognormvariate(0.7, 1.0), 40.0), 2)}


def message(prompt: str, taken: int, last: str) -> Message:
    said = line(prompt, taken, last)
    if isinstance(said, str):
        return Message("assistant", said)
    return Message("assistant", "", (ToolCall(f"call_{taken}", *said),))


class Local:
    """Acts in its own process."""

    def act(self, conversations, tools, limits, seeds) -> list[Completion]:
        if Path(os.environ[NO_MEMORY]).exists():
            raise RuntimeError("out of memory")
        return [Completion(self._turn(conversation)) for conversation in conversations]

    def _turn(self, conversation) -> Message:
        messages = conversation.messages
        return message(messages[0].content, len(conversation.exchanges), messages[-1].content)


def factory(policy: str, url: str | None):
    """Who acts under this name."""
    if policy == "local":
        return Local
    retries = Retries(attempts=60, total_s=120.0, first_s=0.05, longest_s=0.5)
    return EndpointFactory(EndpointSettings(url or "", "m", api_key_env=None, retries=retries))


def reply(body: Mapping) -> Message:
    """What a server says to the messages of a request."""
    messages: Sequence[Mapping] = body["messages"]
    taken = sum(said["role"] == "assistant" for said in messages)
    return message(messages[0]["content"], taken, messages[-1]["content"])


def timeless(trajectory: Trajectory) -> Trajectory:
    """Without what no two runs share."""
    turns = tuple(
        replace(
            turn,
            completion=replace(turn.completion, seconds=0.0),
            results=tuple(replace(result, seconds=0.0) for result in turn.results),
        )
        for turn in trajectory.turns
    )
    return replace(trajectory, turns=turns, timings=Timings())
