"""`reachgym bench`: agents at the same tasks with the same seeds, and a leaderboard of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from reachgym.envs.errors import ConfigError
from reachgym.envs.types import JSON
from reachgym.study.acting import NamedAgent
from reachgym.study.bench import leaderboard
from reachgym.study.bench.run import run_bench
from reachgym.study.config.bench import BenchConfig
from reachgym.study.config.loading import changed, read_content, validated

_VERSION = re.compile(r"-v\d+$")


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What `reachgym bench` was asked for.

    Attributes:
        config: A configuration's file; None where the flags say everything.
        overrides: Values of the configuration, as `dotted.key=value`.
        agents: Agents by what they are called on the command line.
        envs: Environments by id.
        numbers: Of tasks, attempts and workers and so on, by their keys in the configuration.
        out: The folder to write to.
        limit: The smoke mode's number of tasks.
        into: A file whose leaderboard is replaced.
    """

    config: Path | None
    overrides: Sequence[str]
    agents: Sequence[NamedAgent]
    envs: Sequence[str]
    numbers: Sequence[str]
    out: Path
    limit: int | None
    into: Path | None


def run(request: BenchRequest, console: Console) -> None:
    """Run a bench, print its leaderboard and write the others.

    Raises:
        ConfigError: The configuration, a flag or the file to put the leaderboard into is wrong.
    """
    config = bench_config(request)
    if request.into is not None:
        leaderboard.check_marks(request.into)
    console.print(f"Writing to {request.out.resolve()}", soft_wrap=True, highlight=False)
    results = run_bench(config, request.out, request.limit, console)
    leaderboard.write_all(results, request.out)
    leaderboard.show(results, console)
    if request.into is not None:
        leaderboard.put_into(request.into, results)
        console.print(f"Put into {request.into}", soft_wrap=True, highlight=False)
    console.print(
        f"Wrote {(request.out / 'leaderboard.html').resolve()}", soft_wrap=True, highlight=False
    )


def bench_config(request: BenchRequest) -> BenchConfig:
    """The configuration: the file's, or one of the flags.

    Raises:
        ConfigError: There are both or neither, an agent or environment is given twice, or a value
            is wrong.
    """
    if request.config is not None:
        if request.agents or request.envs:
            raise ConfigError(
                "expected a configuration or --agent and --env, got both; name agents and "
                "environments in the configuration, or leave it out"
            )
        content = read_content(request.config, (*request.overrides, *request.numbers))
        return validated(BenchConfig, content, str(request.config))
    if not request.agents or not request.envs:
        raise ConfigError(
            "expected a configuration, or --agent and --env at least once each; e.g. `reachgym "
            "bench --agent oracle --env reachgym/Lookup-v0 --out runs/bench`"
        )
    content = changed(_of_flags(request), (*request.overrides, *request.numbers))
    return validated(BenchConfig, content, "the command line")


def _of_flags(request: BenchRequest) -> dict[str, JSON]:
    agents: dict[str, JSON] = {}
    for agent in request.agents:
        if agent.name in agents:
            raise ConfigError(f"--agent {agent.name} was given twice; give it once")
        agents[agent.name] = agent.content()
    if len(set(request.envs)) < len(request.envs):
        raise ConfigError(
            "an --env was given twice; use a configuration for several variants of one"
        )
    names = _short(request.envs)
    environments: dict[str, JSON] = {
        name: {"env": env_id} for name, env_id in zip(names, request.envs, strict=True)
    }
    return {"agents": agents, "environments": environments}


def _short(env_ids: Sequence[str]) -> list[str]:
    """What environments are called: the name in an id, or where two share it the whole id."""
    names = [_VERSION.sub("", env_id.rpartition("/")[2]) for env_id in env_ids]
    return [
        name if names.count(name) == 1 else env_id
        for name, env_id in zip(names, env_ids, strict=True)
    ]
