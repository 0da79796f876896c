"""What the sandbox tests see of the host: processes, control groups, mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox


@pytest.fixture(scope="session", autouse=True)
def _namespaces() -> None:
    try:
        NamespacesSandbox().close()
    except SandboxError as error:
        pytest.skip(f"this machine gives no sandbox of level namespaces: {error}")


@pytest.fixture
def bystanders(descendants: Callable[[int], list[int]]) -> set[int]:
    """Processes below this one that are of no sandbox of the test."""
    return set(descendants(os.getpid()))


@pytest.fixture
def bystander_groups() -> set[str]:
    """Control groups that are of no sandbox of the test."""
    return set(_control_groups())


@pytest.fixture
def sandbox(bystanders: set[int], bystander_groups: set[str]) -> Iterator[NamespacesSandbox]:
    with NamespacesSandbox() as open_sandbox:
        yield open_sandbox


@pytest.fixture
def processes(
    sandbox: NamespacesSandbox, bystanders: set[int], descendants: Callable[[int], list[int]]
) -> Callable[[], list[int]]:
    """The sandbox's guard and zygote, once nothing else is left."""

    def find() -> list[int]:
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            pids = [pid for pid in descendants(os.getpid()) if pid not in bystanders]
            if len(pids) == 2:
                return pids
            time.sleep(0.02)
        raise AssertionError(f"expected two processes of an idle sandbox, got {pids}")

    return find


@pytest.fixture
def descendants() -> Callable[[int], list[int]]:
    """All living processes below a process, the nearest first."""

    def children_of(pid: int) -> list[int]:
        found: list[int] = []
        # It may end meanwhile, or one of its threads.
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
        return found

    def find(pid: int) -> list[int]:
        found = []
        waiting = [pid]
        while waiting:
            children = children_of(waiting.pop(0))
            found += children
            waiting += children
        return found

    return find


@pytest.fixture
def gone() -> Callable[[list[int]], bool]:
    """Whether all of some processes end, within a few seconds."""

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
        except OSError:
            return False

    def wait(pids: list[int]) -> bool:
        deadline_s = time.monotonic() + 15
        while any(map(alive, pids)) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return not any(map(alive, pids))

    return wait


@pytest.fixture
def control_groups(bystander_groups: set[str]) -> Callable[[int], list[str]]:
    """Names of the control groups that a supervisor's sandboxes left."""

    def find(owner_pid: int) -> list[str]:
        names = [n for n in _control_groups() if n.startswith(f"reachgym-{owner_pid}-")]
        return [name for name in names if name not in bystander_groups]

    return find


@pytest.fixture(scope="session")
def as_ordinary_user() -> Callable[[str], str]:
    """Runs a script of Python as a user who may make no control groups; gives its output."""
    python = shutil.which(
        f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin"
    )
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or python is None or setpriv is None:
        pytest.skip("no root to become an ordinary user, no setpriv, or no interpreter for it")
    become = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]

    def run(script: str) -> str:
        done = subprocess.run(
            [*become, "--inh-caps=-all", python, "-S", "-B", "-"],
            input=script,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
            check=False,
        )
        if "No module named" in done.stderr or "no sandbox" in done.stdout:
            pytest.skip(f"an ordinary user gets no sandbox here: {done.stdout}{done.stderr}")
        assert done.stderr == ""
        return done.stdout

    return run


def _control_groups() -> list[str]:
    folders = [names for _, names, _ in os.walk("/sys/fs/cgroup")]
    return [name for names in folders for name in names if name.startswith("reachgym-")]
