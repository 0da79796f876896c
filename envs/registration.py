"""Environments by name: registered at import, made anywhere, a worker included."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import gymnasium
from gymnasium.envs.registration import EnvCreator, EnvSpec

from reachgym.envs.errors import InputError
from reachgym.envs.milestones import Milestones, no_milestones
from reachgym.envs.plugins import load_plugins
from reachgym.envs.sandbox.shared import sandbox_for
from reachgym.envs.suites.interface import parse_interface
from reachgym.envs.taskset import ListTaskset, Taskset
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.tools.base import Tool, WorkspaceTool
from reachgym.envs.types import JSON, Budget, Message, Task
from reachgym.envs.verifier import Verifier, exact_match

Oracle: TypeAlias = Callable[[Sequence[Message]], Message]

# The environments that `register` knows of, with their oracles.
_registered: dict[str, Oracle | None] = {}


@dataclass(frozen=True, slots=True)
class EnvRef:
    """An environment by its id and arguments; it can be sent anywhere and made there.

    Two references are equal, and hash alike, when their texts are equal.

    Attributes:
        id: A Gymnasium id, or `"module:ns/Id-v0"`, which imports the module first.
        kwargs: The environment's arguments, JSON values only.
        text: Both as canonical JSON text: sorted keys, ASCII.
    """

    id: str = field(compare=False)
    kwargs: Mapping[str, JSON] = field(default_factory=dict, compare=False)
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Write the text once, as pools look environments up by it.

        Raises:
            InputError: An argument is no JSON value.
        """
        content = {"id": self.id, "kwargs": dict(self.kwargs)}
        try:
            text = json.dumps(content, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the arguments of {self.id} must be JSON values, so that they can be stored and "
                f"sent; got {content['kwargs']} ({error})"
            ) from None
        object.__setattr__(self, "text", text)


def register(
    env_id: str,
    *,
    tasks: Sequence[Task] | Taskset,
    tools: Sequence[Tool | WorkspaceTool] = (),
    verifier: Verifier = exact_match,
    budget: Budget = Budget(),
    system_prompt: str = "",
    milestones: Milestones = no_milestones,
    oracle: Oracle | None = None,
) -> None:
    """Register a tool environment, so that `gymnasium.make(env_id)` makes it.

    Call it at the import of a module, and use the id `"module:ns/Id-v0"` where other processes
    must find it, or name the module under the entry points `reachgym.envs` of a package. What is
    made takes two arguments: `sandbox` says where tools and verifier run code, as `parse_sandbox`
    reads it; `interface` which tools are offered and what they tell, such as
    `{"tools": ["search"], "information": "withheld"}`.

    Args:
        env_id: A Gymnasium id, `"ns/Name-v0"`.
        tasks: The tasks, as a list or as a taskset.
        tools: What the agent may call; one that runs code is a function of the `Workspace` that
            it is to run in, as `python_tool` is.
        verifier: Scores a finished episode.
        budget: Turns and tool calls of one episode.
        system_prompt: Opens every conversation, unless it is empty.
        milestones: What every success on a task passes, in order.
        oracle: The next turn of an agent that solves every task from the conversation alone; what
            `check-env` and the agent `oracle` play.

    Raises:
        TaskError: A task has no gold answer, or the like.
        InputError: Two tools share a name.
    """
    taskset = tasks if not isinstance(tasks, Sequence) else ListTaskset(tasks, env_id)

    def entry_point(
        render_mode: str | None = None,
        sandbox: Mapping[str, JSON] | None = None,
        interface: Mapping[str, JSON] | None = None,
    ) -> ToolEnv:
        env = ToolEnv(
            taskset,
            tools=tools,
            verifier=verifier,
            budget=budget,
            system_prompt=system_prompt,
            sandbox=sandbox_for(sandbox),
            milestones=milestones,
            render_mode=render_mode,
        )
        if interface is not None:
            names = [spec.name for spec in env.tool_specs]
            offered = parse_interface(interface, known=names, default=names)
            env.offer(offered.tools)
            env.information = offered.information
        return env

    entry_point()  # What is wrong with the arguments shows here, not on some worker.
    gymnasium.register(env_id, entry_point=cast(EnvCreator, entry_point), order_enforce=False)
    _registered[env_id] = oracle


def registered() -> tuple[str, ...]:
    """The ids of all environments that were registered with `register`, plugins included."""
    load_plugins()
    return tuple(env_id for env_id in _registered if env_id in gymnasium.registry)


def oracle_of(env_id: str) -> Oracle | None:
    """The oracle that an environment was registered with, None if it has none.

    Raises:
        InputError: There is no such environment.
    """
    return _registered.get(_find(env_id).id)


def make(ref: EnvRef | str) -> ToolEnv:
    """Make an environment, without Gymnasium's wrappers: `ToolEnv` checks its own use.

    Raises:
        InputError: No such environment is registered, or it does not take these arguments.
    """
    if isinstance(ref, str):
        ref = EnvRef(ref)
    spec = _find(ref.id)
    try:
        made = gymnasium.make(spec, disable_env_checker=True, **dict[str, Any](ref.kwargs))
    except TypeError as error:
        given = json.dumps(dict(ref.kwargs))
        raise InputError(f"{ref.id} cannot be made with {given}: {error}") from error
    env = made.unwrapped
    if not isinstance(env, ToolEnv):
        raise InputError(f"{ref.id} is a {type(env).__name__}; a ToolEnv is needed here")
    return env


def _find(env_id: str) -> EnvSpec:
    module, separator, plain_id = env_id.rpartition(":")
    if separator:
        _import(module, env_id)
    # Importing what is installed takes time: only for an id that is not known without it.
    broken = () if plain_id in gymnasium.registry else load_plugins()
    try:
        return gymnasium.spec(plain_id)
    except gymnasium.error.Error as error:
        faults = [f"; the plugin {b.name} ({b.module}) failed: {b.error}" for b in broken]
        raise InputError(_unknown(plain_id, error) + "".join(faults)) from None


def _import(module: str, env_id: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{env_id}: cannot import '{module}' ({error}); it must be importable where the "
            "environment is made, on every worker too"
        ) from error


def _unknown(env_id: str, error: gymnasium.error.Error) -> str:
    near = difflib.get_close_matches(env_id, list(gymnasium.registry), n=1)
    hint = (
        f"did you mean '{near[0]}'?"
        if near
        else "import the module that registers it first, or use 'module:ns/Id-v0'"
    )
    return f"there is no environment '{env_id}' ({error}); {hint}"
