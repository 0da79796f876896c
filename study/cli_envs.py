"""`reachgym envs`: list the environments, describe one, play one by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from reachgym.envs import datasets
from reachgym.envs.errors import ConfigError
from reachgym.envs.plugins import load_plugins
from reachgym.envs.registration import EnvRef, make, registered
from reachgym.envs.suites import families
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import JSON, Message, ToolCall, ToolSpec

envs_app = typer.Typer(no_args_is_help=True, help="List, describe and play environments.")
console = Console()

_CALL = re.compile(r"^/(?P<tool>\w+)\s*(?P<text>.*)$", re.DOTALL)

KwargsOption = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="An argument, e.g. `difficulty=2`."),
]


def parse_kwargs(pairs: Sequence[str]) -> dict[str, JSON]:
    """Environment arguments from `key=value` texts with YAML values.

    Raises:
        ConfigError: A text has no `=`, or its value is no YAML.
    """
    kwargs: dict[str, JSON] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set expects key=value, e.g. difficulty=2; got '{pair}'")
        try:
            kwargs[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {key}: '{text}' is no YAML value; quote it") from None
    return kwargs


@envs_app.command("list")
def list_envs() -> None:
    """The environments that come with reachgym, and those of installed packages."""
    table = Table("id", "difficulties", "what it asks")
    for family in families():
        table.add_row(family.id, ", ".join(map(str, family.difficulties)), family.description)
    for env_id in datasets.IDS:
        table.add_row(env_id, "", "a data set that you name or give; see docs/datasets.md")
    for env_id in registered():
        table.add_row(env_id, "", "of an installed package")
    console.print(table)
    for plugin in load_plugins():
        text = f"The plugin {plugin.name} ({plugin.module}) failed: {plugin.error}"
        console.print(text, style="yellow", markup=False, highlight=False)


@envs_app.command()
def describe(
    env: Annotated[str, typer.Argument(help="An environment id.")],
    kwargs: KwargsOption = [],  # noqa: B006 - typer copies its defaults
) -> None:
    """A sample task, its tools, its budget and its chance."""
    made = make(EnvRef(env, parse_kwargs(kwargs)))
    messages, _ = made.reset(seed=0)
    task = made.task
    console.print(f"[bold]{env}[/bold]  family {task.family}")
    for message in messages:
        _say(message)
    console.print(f"chance: {task.chance:.3g} without the task's information", highlight=False)
    console.print(f"budget: {made.budget}", markup=False, highlight=False)
    for spec in made.tool_specs:
        console.print(f"tool {_signature(spec)}: {spec.description}", markup=False)
    made.close()


@envs_app.command()
def play(
    env: Annotated[str, typer.Argument(help="An environment id.")],
    seed: Annotated[int, typer.Option(help="Which task.")] = 0,
    kwargs: KwargsOption = [],  # noqa: B006 - typer copies its defaults
) -> None:
    """Solve a task by hand: `/TOOL text` calls a tool, anything else is your answer."""
    made = make(EnvRef(env, parse_kwargs(kwargs)))
    messages, _ = made.reset(seed=seed)
    for message in messages:
        _say(message)
    tools = ", ".join(f"/{spec.name}" for spec in made.tool_specs) or "none"
    console.print(f"(tools: {tools}; anything else you type is your answer)", style="dim")
    for turn in range(1_000_000):
        if _step(made, typer.prompt(">", prompt_suffix=" "), turn):
            break
    made.close()


def _step(env: ToolEnv, text: str, turn: int) -> bool:
    messages, reward, terminated, truncated, info = env.step(read_action(text, turn, env))
    for message in messages:
        _say(message)
    if terminated or truncated:
        verdict = info["verdict"]
        console.print(f"{info['stop_reason']}: reward {reward:g}. {verdict.explanation}")
    return terminated or truncated


def read_action(text: str, turn: int, env: ToolEnv) -> Message:
    """The assistant message that a typed line means."""
    match = _CALL.match(text)
    if match is None:
        return Message("assistant", text)
    spec = next((s for s in env.tool_specs if s.name == match["tool"]), None)
    arguments = _arguments(match["text"], spec)
    return Message("assistant", tool_calls=(ToolCall(f"call_{turn}", match["tool"], arguments),))


def _arguments(text: str, spec: ToolSpec | None) -> dict[str, JSON]:
    if text.startswith("{"):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
    properties = spec.parameters.get("properties") if spec else None
    first = next(iter(properties), "text") if isinstance(properties, dict) else "text"
    return {first: text}


def _signature(spec: ToolSpec) -> str:
    properties = spec.parameters.get("properties")
    names = ", ".join(properties) if isinstance(properties, dict) else ""
    return f"{spec.name}({names})"


def _say(message: Message) -> None:
    console.print(f"{message.role}: {message.content}", markup=False, highlight=False)
