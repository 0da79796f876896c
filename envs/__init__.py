"""Gymnasium environments and all that an episode touches."""

from reachgym.envs import datasets as _datasets
from reachgym.envs import suites as _suites
from reachgym.envs.registration import EnvRef, make, register
from reachgym.envs.taskset import ListTaskset, Taskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import Tool, tool
from reachgym.envs.types import (
    Budget,
    Message,
    StopReason,
    Task,
    ToolCall,
    ToolResult,
    ToolSpec,
    Verdict,
)
from reachgym.envs.verifier import Attempt, Verifier, exact_match
from reachgym.envs.workspace import Workspace

# Importing data sets and suites registers their environments.
__all__ = [
    "Attempt",
    "Budget",
    "EnvRef",
    "ListTaskset",
    "Message",
    "StopReason",
    "Task",
    "Taskset",
    "Tool",
    "ToolCall",
    "ToolEnv",
    "ToolResult",
    "ToolSpec",
    "Verdict",
    "Verifier",
    "Workspace",
    "exact_match",
    "make",
    "register",
    "tool",
]
del _datasets, _suites
