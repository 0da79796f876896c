"""What all checks look at."""

from __future__ import annotations

from dataclasses import dataclass

from reachgym.envs.registration import EnvRef, Oracle
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import Task


@dataclass(frozen=True, slots=True)
class Subject:
    """An environment under check.

    Attributes:
        ref: Its reference.
        env: The environment.
        twin: Another one of the same reference.
        posed: The first tasks of every split.
        tasks: How many of each split these are at most.
        oracle: An agent that solves its tasks, None if none is known.
    """

    ref: EnvRef
    env: ToolEnv
    twin: ToolEnv
    posed: tuple[Task, ...]
    tasks: int
    oracle: Oracle | None
