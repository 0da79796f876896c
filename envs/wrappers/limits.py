"""Limits on turns, tool calls and time of episodes that are stepped by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium

from reachgym.envs.errors import InputError
from reachgym.envs.tool_env import Info, Observation
from reachgym.envs.types import Message, StopReason
from reachgym.envs.wrappers.inner import tool_env_of


class Limits(
    gymnasium.Wrapper[Observation, Message, Observation, Message],
    gymnasium.utils.RecordConstructorArgs,
):
    """Ends episodes that take too many turns or tool calls, or too long.

    A limit never loosens the environment's own. Time runs from `reset` on, the agent's own time
    included; where it is spent, the episode is scored as it stands, and an action that came too
    late is not taken.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observation, Message],
        *,
        turns: int | None = None,
        tool_calls: int | None = None,
        wall_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap an environment; its own limits are tightened from the next reset on.

        Args:
            env: A `ToolEnv`, wrapped or not.
            turns: Assistant messages of an episode.
            tool_calls: Calls of an episode.
            wall_s: Seconds of an episode.
            clock: Tells the time, in seconds.

        Raises:
            InputError: There is no `ToolEnv` inside, or a limit leaves no room.
        """
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, turns=turns, tool_calls=tool_calls, wall_s=wall_s, clock=clock
        )
        super().__init__(env)
        self._inner = tool_env_of("Limits", env)
        for name, limit, least in (("turns", turns, 1), ("tool_calls", tool_calls, 0)):
            if limit is not None and limit < least:
                raise InputError(f"{name} must be at least {least}; got {limit}")
        if wall_s is not None and not wall_s > 0:
            raise InputError(f"wall_s must be positive; got {wall_s}")
        own = self._inner.budget
        self._inner.budget = replace(
            own,
            turns=_tighter(own.turns, turns),
            tool_calls=_tighter(own.tool_calls, tool_calls),
        )
        self._wall_s = wall_s
        self._clock = clock
        self._began_s = clock()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode and its time, as `ToolEnv.reset` does."""
        opened = self.env.reset(seed=seed, options=options)
        self._began_s = self._clock()
        return opened

    def step(self, action: Message) -> tuple[Observation, float, bool, bool, Info]:
        """Take the agent's turn, as `ToolEnv.step` does, if there is time for it."""
        if self._late() and self._inner.under_way:
            return self._stopped((), {})
        replies, reward, terminated, truncated, info = self.env.step(action)
        if self._late() and not (terminated or truncated):
            return self._stopped(replies, info)
        return replies, float(reward), terminated, truncated, info

    def _late(self) -> bool:
        return self._wall_s is not None and self._clock() - self._began_s > self._wall_s

    def _stopped(
        self, replies: Observation, info: Info
    ) -> tuple[Observation, float, bool, bool, Info]:
        told = {"task_id": self._inner.task.id, "results": (), "milestones": 0, **info}
        verdict = self._inner.stop(StopReason.WALL)
        told |= {"verdict": verdict, "stop_reason": StopReason.WALL}
        return replies, verdict.reward or 0.0, False, True, told


def _tighter(own: int | None, limit: int | None) -> int | None:
    given = [value for value in (own, limit) if value is not None]
    return min(given) if given else None
