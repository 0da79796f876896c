"""Sandbox levels and servers on which contracts are tried."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits

# The servers on loopback that endpoints are tested with.
sys.path.insert(0, str(Path(__file__).parents[1] / "agents" / "endpoint" / "worlds"))

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


def open_or_skip(level: Level, limits: SandboxLimits) -> Sandbox:
    try:
        return open_level(level, limits)
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level {level}: {error}")


@pytest.fixture(scope="session", params=Level)
def level(request: pytest.FixtureRequest) -> Level:
    """Tests are ordered by this, so that each level is tried once."""
    open_or_skip(request.param, SandboxLimits()).close()
    return request.param


@pytest.fixture(scope="session")
def open_sandbox(level: Level) -> Callable[[SandboxLimits], Sandbox]:
    return lambda limits: open_or_skip(level, limits)
