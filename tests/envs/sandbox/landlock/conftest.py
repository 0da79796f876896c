"""What the tests of the landlock level share: a sandbox, scripts of their own, folders left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits

LIMITS = SandboxLimits(
    wall_s=8.0, memory_bytes=96 * 2**20, output_bytes=2**16, processes=24, file_bytes=4 * 2**20
)


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    """The folder above is about another level; these tests need no namespaces."""
    try:
        LandlockSandbox().close()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level landlock: {error}")


@pytest.fixture
def sandbox(bystanders: set[int]) -> Iterator[LandlockSandbox]:
    with LandlockSandbox(LIMITS) as opened:
        yield opened


@pytest.fixture
def processes(
    sandbox: LandlockSandbox, bystanders: set[int], descendants: Callable[[int], list[int]]
) -> Callable[[], list[int]]:
    """The sandbox's guard, its zygote, and whatever runs below."""
    return lambda: [pid for pid in descendants(os.getpid()) if pid not in bystanders]


@pytest.fixture
def folders_of() -> Callable[[int], list[Path]]:
    """The folders for files that a supervisor's sandboxes have."""

    def find(owner_pid: int) -> list[Path]:
        return list(Path(tempfile.gettempdir()).glob(f"reachgym-{owner_pid}-*-*-*"))

    return find


@pytest.fixture
def start_owner() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a process that opens a sandbox, prints a line, and goes on with some statements."""
    started = []

    def start(then: str) -> subprocess.Popen[str]:
        script = (
            "import sys\n"
            "from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox\n"
            "sandbox = LandlockSandbox()\n"
            "print(sandbox.exec('print(1)').stdout.strip(), flush=True)\n"
            f"{then}\n"
        )
        owner = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        started.append(owner)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "1\n"
        return owner

    yield start
    for owner in started:
        owner.kill()
        owner.communicate()
