"""Environments by name: registered at import, made anywhere, a worker included."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium
from gymnasium.envs.registration import EnvCreator

from reachgym.envs.errors import InputError
from reachgym.envs.taskset import ListTaskset, Taskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import Tool
from reachgym.envs.types import JSON, Budget, Task
from reachgym.envs.verifier import Verifier, exact_match


@dataclass(frozen=True, slots=True)
class EnvRef:
    """An environment by its id and arguments; it can be sent anywhere and made there.

    Attributes:
        id: A Gymnasium id, or `"module:ns/Id-v0"`, which imports the module first.
        kwargs: The environment's arguments, JSON values only.
    """

    id: str
    kwargs: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The reference as canonical JSON text."""
        return json.dumps({"id": self.id, "kwargs": dict(self.kwargs)}, sort_keys=True)

    def __hash__(self) -> int:
        return hash(self.text)


def register(
    env_id: str,
    *,
    tasks: Sequence[Task] | Taskset,
    tools: Sequence[Tool] = (),
    verifier: Verifier = exact_match,
    budget: Budget = Budget(),
    system_prompt: str = "",
) -> None:
    """Register a tool environment, so that `gymnasium.make(env_id)` makes it.

    Call it at the import of a module, and use the id `"module:ns/Id-v0"` where other processes
    must find it.

    Raises:
        TaskError: A task has no gold answer, or the like.
    """
    taskset = tasks if not isinstance(tasks, Sequence) else ListTaskset(tasks, env_id)

    def entry_point(render_mode: str | None = None) -> ToolEnv:
        return ToolEnv(
            taskset,
            tools=tools,
            verifier=verifier,
            budget=budget,
            system_prompt=system_prompt,
            render_mode=render_mode,
        )

    gymnasium.register(env_id, entry_point=cast(EnvCreator, entry_point), order_enforce=False)


def make(ref: EnvRef | str) -> ToolEnv:
    """Make an environment, without Gymnasium's wrappers: `ToolEnv` checks its own use.

    Raises:
        InputError: No such environment is registered, or it does not take these arguments.
    """
    if isinstance(ref, str):
        ref = EnvRef(ref)
    importlib.import_module("reachgym.envs.suites")
    _import_module_of(ref.id)
    try:
        gymnasium.spec(ref.id)
        kwargs: dict[str, Any] = dict(ref.kwargs)
        made = gymnasium.make(ref.id, disable_env_checker=True, **kwargs).unwrapped
    except gymnasium.error.UnregisteredEnv:
        raise InputError(_unknown(ref.id)) from None
    except TypeError as error:
        raise InputError(f"{ref.id} cannot be made with {dict(ref.kwargs)}: {error}") from None
    if not isinstance(made, ToolEnv):
        raise InputError(f"{ref.id} is a {type(made).__name__}; a ToolEnv is needed here")
    return made


def _import_module_of(env_id: str) -> None:
    module, separator, _ = env_id.partition(":")
    if separator:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise InputError(
                f"{env_id}: cannot import '{module}' ({error}); it must be importable where the "
                "environment is made, on every worker too"
            ) from None


def _unknown(env_id: str) -> str:
    known = [name for name in gymnasium.registry if "/" in name]
    near = difflib.get_close_matches(env_id, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "import its module first, or use 'module:id'"
    return f"there is no environment '{env_id}'; {hint}"
