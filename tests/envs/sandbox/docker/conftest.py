"""What the Docker level's tests see of the engine: its containers, and the processes in them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.docker.engine import Engine, connect
from reachgym.envs.sandbox.docker.image import find_image
from reachgym.envs.sandbox.docker.sandbox import DockerSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits

OWNER = """
import sys
from reachgym.envs.sandbox.docker.sandbox import DockerSandbox
sandbox = DockerSandbox(runtime="{runtime}")
print(sandbox.exec("print(1)").stdout.strip(), flush=True)
{then}
"""


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    """The folder above is about one level, and this one about another."""


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return connect("runc")
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level docker: {error}")


@pytest.fixture(scope="session")
def api(engine: Engine) -> docker.APIClient:
    return engine.api


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    return find_image(engine, None)


@pytest.fixture(params=["runc", "runsc"])
def runtime(request: pytest.FixtureRequest, engine: Engine) -> str:
    try:
        connect(request.param)
    except SandboxError as error:
        pytest.skip(f"this machine gives no such sandbox: {error}")
    name: str = request.param
    return name


@pytest.fixture
def sandbox(engine: Engine) -> Iterator[DockerSandbox]:
    with DockerSandbox(SandboxLimits(wall_s=3)) as opened:
        yield opened


@pytest.fixture
def containers(api: docker.APIClient) -> Callable[[int], list[str]]:
    """Containers of an owner, alive or not, the oldest first."""

    def find(owner_pid: int) -> list[str]:
        found = api.containers(all=True, filters={"label": "reachgym.owner"})
        found.sort(key=lambda container: container["Created"])
        return [
            c["Id"] for c in found if c["Labels"]["reachgym.owner"].split()[2] == str(owner_pid)
        ]

    return find


@pytest.fixture
def processes() -> Callable[[str], list[int]]:
    """Processes in a container's control groups, as this machine numbers them."""

    def find(container: str) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if container in path.read_text():
                    found.append(int(path.parent.name))
        return found

    return find


@pytest.fixture
def start_owner() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that has a sandbox, used it once, and then does what it is told."""
    started: list[subprocess.Popen[str]] = []

    def start(then: str, folder: Path, runtime: str = "runc") -> subprocess.Popen[str]:
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER.format(then=then, runtime=runtime)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        started.append(owner)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "1\n"
        return owner

    yield start
    for owner in started:
        owner.kill()
        owner.communicate()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    """Whether a condition comes to hold within some seconds."""

    def settles(condition: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + 15
        while time.monotonic() < deadline_s:
            with contextlib.suppress(docker.errors.APIError):
                if condition():
                    return True
            time.sleep(0.05)
        return False

    return settles
