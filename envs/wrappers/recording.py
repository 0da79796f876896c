"""Records episodes that are stepped by hand, a line of JSON each."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium

from reachgym.envs.errors import InputError
from reachgym.envs.tool_env import Info, Observation
from reachgym.envs.types import JSON, Message
from reachgym.envs.wrappers.inner import tool_env_of


class RecordEpisodes(
    gymnasium.Wrapper[Observation, Message, Observation, Message],
    gymnasium.utils.RecordConstructorArgs,
):
    """Appends every finished episode to a JSONL file, whole or not at all.

    A line holds `env`, `task_id`, `task_hash`, `family`, `split`, `messages`, `results`, `rewards`,
    `verdict` and `stop_reason`. Several environments, also of several processes, may write to one
    file. An episode that is reset or closed before its end is not recorded.
    """

    def __init__(self, env: gymnasium.Env[Observation, Message], path: str | Path) -> None:
        """Wrap an environment; `path` is made when the first episode ends.

        Raises:
            InputError: There is no `ToolEnv` inside, or the file's folder is not there.
        """
        gymnasium.utils.RecordConstructorArgs.__init__(self, path=str(path))
        super().__init__(env)
        self._inner = tool_env_of("RecordEpisodes", env)
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise InputError(f"{self._path.parent} is no folder; make it, or record elsewhere")
        self._messages: list[Message] = []
        self._results: list[dict[str, Any]] = []
        self._rewards: list[float] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode, as `ToolEnv.reset` does."""
        opening, info = self.env.reset(seed=seed, options=options)
        self._messages = list(opening)
        self._results, self._rewards = [], []
        return opening, info

    def step(self, action: Message) -> tuple[Observation, float, bool, bool, Info]:
        """Take the agent's turn, as `ToolEnv.step` does."""
        replies, reward, terminated, truncated, info = self.env.step(action)
        self._messages += [action, *replies]
        self._results += [asdict(result) for result in info["results"]]
        self._rewards.append(float(reward))
        if terminated or truncated:
            self._write(info)
        return replies, float(reward), terminated, truncated, info

    def _write(self, info: Info) -> None:
        task = self._inner.task
        row: dict[str, JSON] = {
            "env": self.spec.id if self.spec else type(self._inner).__name__,
            "task_id": task.id,
            "task_hash": task.hash,
            "family": task.family,
            "split": task.split,
            "messages": [asdict(message) for message in self._messages],
            "results": list(self._results),
            "rewards": list(self._rewards),
            "verdict": asdict(info["verdict"]),
            "stop_reason": str(info["stop_reason"]),
        }
        line = (json.dumps(row, ensure_ascii=True) + "\n").encode()
        # One write to a file opened for appending: lines of several writers never mix.
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            written = os.write(handle, line)
        finally:
            os.close(handle)
        if written < len(line):
            raise OSError(f"only {written} of {len(line)} bytes went to {self._path}: disk full?")
