"""The tool environment inside a wrapped one."""

from __future__ import annotations

from typing import Any

import gymnasium

from reachgym.envs.errors import InputError
from reachgym.envs.tool_env import ToolEnv


def tool_env_of(wrapper: str, env: gymnasium.Env[Any, Any]) -> ToolEnv:
    """The `ToolEnv` that a wrapper is put around, wrapped already or not.

    Raises:
        InputError: There is none inside.
    """
    inner = env.unwrapped
    if not isinstance(inner, ToolEnv):
        raise InputError(f"{wrapper} wraps a ToolEnv; got {type(inner).__name__}")
    return inner
