"""The sandbox levels on which the contracts of sandboxes and sessions are tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import Sandbox, SandboxLimits


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
