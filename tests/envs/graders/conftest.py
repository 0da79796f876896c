"""Sandboxes for graders: one with time enough, two in a hurry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits


def _open(limits: SandboxLimits) -> NamespacesSandbox:
    try:
        return NamespacesSandbox(limits)
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level namespaces: {error}")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[NamespacesSandbox]:
    """One with time enough."""
    with _open(SandboxLimits(wall_s=20)) as opened:
        yield opened


@pytest.fixture(scope="session")
def hasty() -> Iterator[NamespacesSandbox]:
    """One for candidates that hang."""
    with _open(SandboxLimits(wall_s=1.5)) as opened:
        yield opened


@pytest.fixture(scope="session")
def impatient() -> Iterator[NamespacesSandbox]:
    """One for candidates that hang again and again."""
    with _open(SandboxLimits(wall_s=0.5)) as opened:
        yield opened
