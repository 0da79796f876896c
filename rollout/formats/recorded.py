"""An environment that only tells which tools there were: for conversations from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import gymnasium
from gymnasium.envs.registration import EnvCreator

from reachgym.envs.errors import ToolError
from reachgym.envs.registration import EnvRef
from reachgym.envs.taskset import ListTaskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import Tool
from reachgym.envs.types import JSON, Task, ToolSpec

_ID = "reachgym/Recorded-v0"


def recorded_env(tools: Sequence[ToolSpec]) -> EnvRef:
    """The reference to an environment with these tools, none of which can be run."""
    told = [[tool.name, tool.description, dict(tool.parameters)] for tool in tools]
    # As text, for a reference sorts its keys, and parameters have an order.
    return EnvRef(f"{__name__}:{_ID}", {"tools": json.dumps(told)})


def _make(tools: str = "[]", render_mode: str | None = None) -> ToolEnv:
    specs = [ToolSpec(*tool) for tool in json.loads(tools)]
    return ToolEnv(
        ListTaskset([Task("none", "This environment only names tools.", "none")], _ID),
        tools=[Tool(spec, partial(_refuse, spec.name)) for spec in specs],
        render_mode=render_mode,
    )


def _refuse(name: str, _: Mapping[str, JSON]) -> str:
    raise ToolError(f"{name} is known by its description only and cannot be run")


gymnasium.register(_ID, entry_point=cast(EnvCreator, _make), order_enforce=False)
