"""The agent that acts through an endpoint, and the factory that builds it in a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reachgym.agents.endpoint.engine import EndpointEngine
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import Completion, Conversation, Limits, Request
from reachgym.envs.secret import Secret
from reachgym.envs.types import ToolSpec


class EndpointAgent:
    """Acts through an OpenAI-compatible chat-completions endpoint.

    It holds its settings and nothing else: the key is read from the environment where an engine is
    opened, so that an agent that travels to another process does not carry it there.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion per conversation, all of them requested at once.

        Raises:
            EndpointError: A request failed for good.
            ConfigError: The key cannot be sent.
        """
        done = threading.Event()
        engine = self.engine(done.set)
        try:
            for ticket, row in enumerate(zip(conversations, tools, limits, seeds, strict=True)):
                engine.submit(ticket, Request(*row))
            turns: dict[int, Completion] = {}
            while len(turns) < len(conversations):
                done.wait()
                done.clear()
                for ticket, outcome in engine.step():
                    if isinstance(outcome, Exception):
                        raise outcome
                    turns[ticket] = outcome
        finally:
            engine.close()
        return [turns[ticket] for ticket in range(len(conversations))]

    def engine(self, wake: Callable[[], None]) -> EndpointEngine:
        """A new engine, with connections and a thread of its own.

        Raises:
            ConfigError: The key cannot be sent.
        """
        return EndpointEngine(
            self.settings, Secret.from_environment(self.settings.api_key_env), wake
        )


@dataclass(frozen=True, slots=True)
class EndpointFactory:
    """Builds an agent in a worker; what travels there is settings and no key."""

    settings: EndpointSettings

    def __call__(self) -> EndpointAgent:
        """Build it, in the worker's process."""
        return EndpointAgent(self.settings)
