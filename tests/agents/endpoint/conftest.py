"""Servers to talk to, and agents that talk to them without long waits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reachgym.agents.endpoint.agent import EndpointAgent
from reachgym.agents.endpoint.settings import EndpointSettings, Retries, Timeouts
from reachgym.agents.protocol import Conversation, Limits, Request
from reachgym.envs.types import Message

sys.path.insert(0, str(Path(__file__).parent / "worlds"))

from loopback import LoopbackServer


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackServer]]:
    """Starts a server with a script."""
    servers: list[LoopbackServer] = []

    def start(script) -> LoopbackServer:
        servers.append(LoopbackServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def settings() -> Callable[..., EndpointSettings]:
    """Settings for a server, with waits as short as a test can bear."""

    def make(server: LoopbackServer, /, **fields) -> EndpointSettings:
        chosen = {
            "api_key_env": None,
            "stream": False,
            "timeouts": Timeouts(connect_s=2.0, first_s=2.0, stall_s=2.0, request_s=2.0),
            "retries": Retries(attempts=3, total_s=5.0, first_s=0.01, longest_s=0.02),
        }
        return EndpointSettings(server.url, "m", **chosen | fields)

    return make


@pytest.fixture
def agent(settings) -> Callable[..., EndpointAgent]:
    """An agent at a server."""
    return lambda server, /, **fields: EndpointAgent(settings(server, **fields))


@pytest.fixture
def ask() -> Callable[..., Request]:
    """A request about one question, or about a conversation."""

    def make(question="What is 1 + 1?", tools=(), limits=None, seed=0) -> Request:
        if not isinstance(question, Conversation):
            question = Conversation((Message("user", question),))
        return Request(question, tools, limits or Limits(), seed)

    return make


@pytest.fixture
def turn(agent, ask) -> Callable[..., object]:
    """One turn at a server, as the engine gives it: a completion or an exception."""
    return lambda server, request=None, /, **fields: run(
        agent(server, **fields), [request or ask()]
    )[0]


@pytest.fixture
def turns() -> Callable[..., list]:
    """Turns of several requests at once, in their order."""
    return run


def run(agent: EndpointAgent, requests: list[Request]) -> list:
    import threading

    woken = threading.Event()
    engine = agent.engine(woken.set)
    try:
        for ticket, request in enumerate(requests):
            engine.submit(ticket, request)
        done: dict[int, object] = {}
        while len(done) < len(requests):
            assert woken.wait(20), "the engine never woke its caller"
            woken.clear()
            done.update(engine.step())
    finally:
        engine.close()
    return [done[ticket] for ticket in range(len(requests))]
