"""The folder of a bench: which attempts it holds, and that they are this bench's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.errors import StoreError
from reachgym.envs.types import JSON
from reachgym.study.bench.suite import Suite
from reachgym.study.bench.weights import weights_digest
from reachgym.study.config.bench import AgentConfig, BenchConfig, CheckpointConfig
from reachgym.study.folder import write_atomically

MANIFEST = "bench.json"
TRAJECTORIES = "trajectories"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class BenchFolder:
    """Where a bench keeps its attempts and what it makes of them."""

    path: Path

    @property
    def trajectories(self) -> Path:
        """The folder of the trajectory store."""
        return self.path / TRAJECTORIES

    @classmethod
    def open(
        cls, path: Path, config: BenchConfig, suites: Sequence[Suite], limit: int | None
    ) -> BenchFolder:
        """Create the folder, or continue it: with the same bench, or one that asks for more.

        Agents, environments, tasks and attempts may be added to what is there; what was asked
        before must be asked as before, by its fingerprints. What is added is kept by `record`,
        which is for whoever holds the lock of the trajectories.

        Raises:
            StoreError: The folder holds another bench, or something else.
        """
        folder = cls(path)
        recorded = path / MANIFEST
        if recorded.exists():
            _check(path, _load(recorded), config, suites, limit)
            return folder
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise StoreError(f"{path} exists and is no bench's folder; choose another with --out")
        path.mkdir(parents=True, exist_ok=True)
        write_atomically(recorded, json.dumps(_record({}, config, suites, limit), indent=1))
        return folder

    def record(self, config: BenchConfig, suites: Sequence[Suite], limit: int | None) -> None:
        """Keep what is asked, beside what was asked before."""
        recorded = self.path / MANIFEST
        content = _record(_load(recorded), config, suites, limit)
        write_atomically(recorded, json.dumps(content, indent=1))


def _record(
    held: Mapping[str, JSON], config: BenchConfig, suites: Sequence[Suite], limit: int | None
) -> dict[str, JSON]:
    """What is asked, on top of what was: attempts of an agent that is left out stay its own."""
    asked: dict[str, JSON] = {
        suite.name: {
            "environment": suite.ref.text,
            "split": suite.split,
            "tasks": len(suite.tasks),
            "attempts": suite.attempts,
            "fingerprint": suite.fingerprint(),
        }
        for suite in suites
    }
    return {
        "version": _VERSION,
        "limit": limit,
        "agents": _mapping(held, "agents") | _agents(config),
        "suites": _mapping(held, "suites") | asked,
    }


def _agents(config: BenchConfig) -> dict[str, JSON]:
    return {name: _agent(agent) for name, agent in config.agents.items()}


def _agent(agent: AgentConfig) -> dict[str, JSON]:
    """An agent as it was given, but for its price, which changes no attempt; and its weights."""
    given: dict[str, JSON] = agent.model_dump(mode="json", exclude={"price"})
    if isinstance(agent, CheckpointConfig):
        given["weights"] = weights_digest(agent.path)
    return given


def _check(
    path: Path,
    held: dict[str, JSON],
    config: BenchConfig,
    suites: Sequence[Suite],
    limit: int | None,
) -> None:
    if held.get("version") != _VERSION:
        raise StoreError(f"{path} was written by another version of reachgym; choose another --out")
    if held.get("limit") != limit:
        was = "in full" if held["limit"] is None else f"with --limit {held['limit']}"
        raise StoreError(
            f"the bench in {path} was run {was}; run it so again, or choose another --out"
        )
    changed = [*_changed_agents(held, config), *_changed_suites(held, suites)]
    if changed:
        raise StoreError(
            f"{path} holds another bench: {'; '.join(changed[:4])}. Choose another folder with "
            "--out, or undo the change"
        )


def _changed_agents(held: dict[str, JSON], config: BenchConfig) -> list[str]:
    now, agents = _agents(config), _mapping(held, "agents")
    changed = []
    for name in now.keys() & agents.keys():
        was, given = _mapping(agents, name), _mapping(now, name)
        keys = [key for key in was | given if was.get(key) != given.get(key)]
        if keys:
            before, after = ({key: side.get(key) for key in keys} for side in (was, given))
            changed.append(
                f"the agent '{name}' was {json.dumps(before)} and is {json.dumps(after)}"
            )
    return sorted(changed)


def _changed_suites(held: dict[str, JSON], suites: Sequence[Suite]) -> list[str]:
    now = {suite.name: suite for suite in suites}
    changed = []
    for name, was in _mapping(held, "suites").items():
        if name not in now or not isinstance(was, dict):
            continue
        tasks, attempts = was.get("tasks"), was.get("attempts")
        if not isinstance(tasks, int) or not isinstance(attempts, int):
            changed.append(f"what '{name}' was cannot be read")
        elif tasks > len(now[name].tasks) or attempts > now[name].attempts:
            changed.append(f"'{name}' had {tasks} tasks with {attempts} attempts, which is more")
        elif now[name].fingerprint(tasks, attempts) != was.get("fingerprint"):
            changed.append(f"'{name}' had other tasks, seeds, arguments or another budget")
    return changed


def _mapping(content: Mapping[str, JSON], key: str) -> dict[str, JSON]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _load(path: Path) -> dict[str, JSON]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path} ({error}); restore it from a copy") from None
    if not isinstance(content, dict):
        raise StoreError(f"{path} is not what a bench writes; restore it from a copy")
    return content
