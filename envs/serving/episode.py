"""One session's environment: requests in, observations out, an environment only while needed."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from reachgym.envs.errors import ActionError, EpisodeError, InputError
from reachgym.envs.serving.forms import (
    action_of,
    form_of_info,
    form_of_message,
    form_of_tool,
)
from reachgym.envs.serving.pool import Pool
from reachgym.envs.tool_env import Info, ToolEnv
from reachgym.envs.types import JSON, SPLITS, Message, ToolCall

_RESET_KEYS = frozenset({"seed", "episode_id", "split", "index"})
_ANSWERS = frozenset({"list_tools", "call_tool"})


class ServedEpisode:
    """What a session's client asks, of an environment that is the session's until it ends.

    It is used by one thread at a time. What is wrong with a request leaves the episode as it is.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._env: ToolEnv | None = None
        self._id: str | None = None
        self._steps = 0
        self._calls = 0

    @property
    def steps(self) -> int:
        """Turns taken in the present episode."""
        return self._steps

    def reset(self, data: Mapping[str, object]) -> dict[str, JSON]:
        """Begin an episode.

        Args:
            data: `seed` draws a training task; `split` and `index` name a task; `episode_id` is
                given back by `state`. All may be left out.

        Raises:
            InputError: One is none, or there is no such task.
            InfrastructureError: The environment could not be made or failed.
        """
        seed, options, given_id = _begin(data)
        if self._env is None:
            self._env = self._pool.take()
        try:
            messages, info = self._env.reset(seed=seed, options=options)
        except InputError:
            raise
        except BaseException:
            self._drop()
            raise
        self._id, self._steps = given_id or uuid4().hex, 0
        told = _told(messages, info, 0.0, False, False)
        specs: list[JSON] = [form_of_tool(spec) for spec in self._env.tool_specs]
        return {**told, "observation": {**_part(told), "tool_specs": specs}}

    def step(self, data: object) -> dict[str, JSON]:
        """Take the agent's turn.

        Args:
            data: An action, or OpenEnv's `{"type": "list_tools"}` or `{"type": "call_tool",
                "tool_name": ..., "arguments": {...}}`.

        Raises:
            InputError: It is no action.
            EpisodeError: No episode is under way.
            InfrastructureError: A tool or the verifier failed by itself.
        """
        if isinstance(data, Mapping) and data.get("type") in _ANSWERS:
            return self._as_tools(data)
        action = action_of(data)
        return self._take(action)

    def state(self) -> dict[str, JSON]:
        """Where the episode stands."""
        under_way = self._env is not None and self._env.under_way
        task = self._env.task.id if self._env is not None and self._id is not None else None
        return {
            "episode_id": self._id,
            "step_count": self._steps,
            "task_id": task,
            "under_way": under_way,
        }

    def close(self) -> None:
        """Give the environment back; again does nothing."""
        env, self._env = self._env, None
        if env is not None:
            self._pool.give(env)

    def _take(self, action: Message) -> dict[str, JSON]:
        env = self._env
        if env is None:
            raise EpisodeError("no episode has begun; send a reset first")
        try:
            messages, reward, terminated, truncated, info = env.step(action)
        except (ActionError, EpisodeError):
            raise
        except BaseException:
            # Half a turn was taken: it is fit for no other episode.
            self._drop()
            raise
        self._steps += 1
        return _told(messages, info, reward, terminated, truncated)

    def _as_tools(self, data: Mapping[str, object]) -> dict[str, JSON]:
        """What OpenEnv's tool clients ask; a tool is run as a turn with one call."""
        if data["type"] == "list_tools":
            return self._listed()
        name, arguments = data.get("tool_name"), data.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise InputError("expected a text `tool_name` and an object `arguments`")
        self._calls += 1
        call = ToolCall(f"call_{self._calls}", name, arguments)
        told = self._take(Message("assistant", tool_calls=(call,)))
        messages = _part(told)["messages"]
        last = messages[-1] if isinstance(messages, list) and messages else {}
        content = last.get("content") if isinstance(last, dict) else None
        result: dict[str, JSON] = {"tool_name": name, "result": content, "error": None}
        return {**told, "observation": {**_part(told), **result}}

    def _listed(self) -> dict[str, JSON]:
        """The tools; asking for them takes no turn and needs no episode."""
        borrowed = self._env is None
        env = self._env or self._pool.take()
        tools: list[JSON] = [
            {
                "name": spec.name,
                "description": spec.description,
                "input_schema": dict(spec.parameters),
            }
            for spec in env.tool_specs
        ]
        if borrowed:
            self._pool.give(env)
        return {"observation": {"tools": tools}, "reward": None, "done": False}

    def _drop(self) -> None:
        env, self._env, self._id = self._env, None, None
        if env is not None:
            self._pool.drop(env)


def _begin(data: Mapping[str, object]) -> tuple[int | None, dict[str, object], str | None]:
    unknown = sorted(data.keys() - _RESET_KEYS)
    if unknown:
        raise InputError(
            f"a reset takes {', '.join(sorted(_RESET_KEYS))}; got {', '.join(unknown)}"
        )
    seed, split, index = data.get("seed"), data.get("split"), data.get("index")
    episode_id = data.get("episode_id")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise InputError(f"expected a `seed` that is a whole number from 0 on, got {seed!r}")
    if episode_id is not None and not isinstance(episode_id, str):
        raise InputError(f"expected an `episode_id` that is a text, got {episode_id!r}")
    if (split is None) != (index is None):
        raise InputError("expected `split` and `index` together, got one of them")
    if split is None:
        return seed, {}, episode_id
    if split not in SPLITS or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise InputError(
            f"expected a `split` of {', '.join(SPLITS)} and an `index` from 0 on, got {split!r} "
            f"and {index!r}"
        )
    return seed, {"split": split, "index": index}, episode_id


def _told(
    messages: tuple[Message, ...],
    info: Info,
    reward: float,
    terminated: bool,
    truncated: bool,
) -> dict[str, JSON]:
    observation: dict[str, JSON] = {
        "messages": [form_of_message(message) for message in messages],
        "terminated": terminated,
        "truncated": truncated,
        "info": form_of_info(info),
    }
    return {"observation": observation, "reward": reward, "done": terminated or truncated}


def _part(told: Mapping[str, JSON]) -> dict[str, JSON]:
    observation = told["observation"]
    return observation if isinstance(observation, dict) else {}
