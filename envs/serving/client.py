"""A served environment as one of one's own: the same messages in and out, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import gymnasium
import httpx

from reachgym.envs.errors import (
    ActionError,
    EpisodeError,
    InfrastructureError,
    InputError,
)
from reachgym.envs.secret import Secret
from reachgym.envs.serving.forms import form_of_action, info_of, message_of, tool_of
from reachgym.envs.spaces import ConversationSpace, MessageSpace
from reachgym.envs.tool_env import Info, Observation
from reachgym.envs.types import Message, ToolSpec


class RemoteEnv(gymnasium.Env[Observation, Message]):
    """An environment at a server that `reachgym serve` started; it plays as `ToolEnv` does.

    It has a session at the server while it is open. A session that was lost, with the server or for
    being idle, is an error and is not opened again by itself: its episode would be another one.
    `close`, and a reset begins anew.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, url: str, *, token_env: str | None = None, timeout_s: float = 600.0) -> None:
        """A client of a server.

        Args:
            url: The server's, e.g. `"http://127.0.0.1:8000"`.
            token_env: The variable that holds the server's token; None shows none.
            timeout_s: How long one reset or step may take.

        Raises:
            ConfigError: The token cannot be sent.
            InputError: The URL is none.
        """
        if not url.startswith(("http://", "https://")):
            raise InputError(f"expected a URL such as http://127.0.0.1:8000, got '{url}'")
        token = Secret.from_environment(token_env)
        headers = {} if token is None else {"Authorization": token.in_header("Bearer ")}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)
        self._url = url
        self._session: str | None = None
        self._tools: tuple[ToolSpec, ...] = ()
        self._over = True
        self.observation_space = ConversationSpace()
        self.action_space = MessageSpace("assistant")

    @property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The tools offered to the agent; none before the first reset."""
        return self._tools

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Start an episode.

        Args:
            seed: Seeds the draw of a training task, at the server.
            options: `{"split": ..., "index": ...}`, or nothing for a training task drawn at random.

        Raises:
            InputError: There is no such task, or an option is unknown.
            InfrastructureError: The server cannot be reached, is full, or failed.
        """
        super().reset(seed=seed)
        self._over = True
        if self._session is None:
            self._session = str(self._ask("POST", "/sessions")["session_id"])
        asked = {"seed": seed, **(options or {})}
        told = self._ask("POST", f"/sessions/{self._session}/reset", asked)
        observation = told["observation"]
        self._tools = tuple(map(tool_of, observation["tool_specs"]))
        self._over = False
        return tuple(map(message_of, observation["messages"])), info_of(observation["info"])

    def step(self, action: Message) -> tuple[Observation, float, bool, bool, Info]:
        """Take the agent's turn.

        Raises:
            ActionError: The action is no assistant message.
            EpisodeError: The episode has not begun, or is over.
            InfrastructureError: A tool or the verifier failed by itself, or the session is lost.
        """
        if self._over:
            raise EpisodeError("the episode is over or has not begun; call reset() first")
        if action not in self.action_space:
            raise ActionError(
                f"an action is a Message of role 'assistant'; got {type(action).__name__}"
            )
        path = f"/sessions/{self._session}/step"
        # What fails half-way cannot go on.
        self._over = True
        told = self._ask("POST", path, {"action": form_of_action(action)})
        observation = told["observation"]
        self._over = bool(told["done"])
        return (
            tuple(map(message_of, observation["messages"])),
            float(told["reward"]),
            bool(observation["terminated"]),
            bool(observation["truncated"]),
            info_of(observation["info"]),
        )

    def close(self) -> None:
        """End the session; a reset opens another one."""
        session, self._session = self._session, None
        self._over = True
        if session is not None:
            # A server that is gone has no session left.
            with suppress(InputError, InfrastructureError):
                self._ask("DELETE", f"/sessions/{session}")

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=body)
            told = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise InfrastructureError(
                f"the environment server at {self._url} gave no answer ({error}); look whether it "
                "runs, then reset"
            ) from error
        if response.status_code == httpx.codes.OK and isinstance(told, dict):
            return told
        words = told.get("error") if isinstance(told, dict) else None
        text = f"the environment server at {self._url} refused: {words or response.status_code}"
        match response.status_code:
            case 404:
                self._session = None
                raise InfrastructureError(text)
            case 400:
                raise InputError(text)
            case 409:
                raise EpisodeError(text)
        raise InfrastructureError(text)
