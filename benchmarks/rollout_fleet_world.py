"""What the fleet's benchmark plays: an environment that sleeps, and agents that take no time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from reachgym.agents.protocol import Completion, Conversation, Limits
from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Message, Task, ToolCall, ToolSpec
from reachgym.rollout.episode import Attempt

TASKS = [Task(f"t{i}", f"Task {i}", "done") for i in range(64)]
SLEEP_S = 0.25
CALLS = 2


@tool
def wait(seconds: float) -> str:
    """Take some time."""
    time.sleep(seconds)
    return "x" * 200


register("bench/Sleeping-v0", tasks=TASKS, tools=[wait])
REF = EnvRef("rollout_fleet_world:bench/Sleeping-v0")


class Sleeper:
    """Calls the tool `CALLS` times for `sleep_s` and answers; its weights are one array."""

    def __init__(self, sleep_s: float, tokens: int = 0) -> None:
        self.version = 0
        self._sleep_s = sleep_s
        self._tokens = tuple(range(tokens))
        self._weights = np.zeros(0, np.float32)

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        """Instantly."""
        return [self._turn(len(conversation.exchanges)) for conversation in conversations]

    def load_weights(self, state: Mapping[str, npt.NDArray[np.generic]], version: int) -> None:
        """Copy, as a model does."""
        shared = state["w"]
        if self._weights.shape != shared.shape:
            self._weights = np.empty(shared.shape, np.float32)
        np.copyto(self._weights, shared)
        self.version = version

    def _turn(self, number: int) -> Completion:
        message = Message("assistant", "done")
        if number < CALLS:
            call = ToolCall("c", "wait", {"seconds": self._sleep_s})
            message = Message("assistant", "", (call,))
        return Completion(
            message,
            prompt_ids=self._tokens,
            sampled_ids=self._tokens,
            logprobs=(-0.5,) * len(self._tokens),
            policy_version=self.version,
        )


def attempts(count: int) -> list[Attempt]:
    """So many attempts."""
    return [Attempt(TASKS[i % len(TASKS)], REF, i, "bench") for i in range(count)]
