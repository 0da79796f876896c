"""What is left of a pool at work when its owner ends in any way: nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from reachgym.envs.sandbox.levels import Level
from reachgym.envs.sandbox.protocol import SandboxLimits

SCRIPT = Path(__file__).with_name("inside") / "pool_owner.py"
HUNG = "import time\nwhile True: time.sleep(60)"


@dataclass(frozen=True)
class Traces:
    """What a pool has on the host."""

    processes: frozenset[int]
    groups: frozenset[str]
    mounts: int
    files: frozenset[str]
    containers: frozenset[str]


def groups(owner: int) -> frozenset[str]:
    folders = [names for _, names, _ in os.walk("/sys/fs/cgroup")]
    prefix = f"reachgym-{owner}-"
    return frozenset(name for names in folders for name in names if name.startswith(prefix))


def containers(*filters: str) -> frozenset[str]:
    docker = shutil.which("docker")
    if docker is None:
        return frozenset()
    command = [docker, "ps", "--all", "--quiet", *filters]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return frozenset(listed.stdout.split())


@pytest.fixture
def traces(descendants: Callable[[int], list[int]], tmp_path: Path) -> Callable[[int], Traces]:
    def find(pid: int) -> Traces:
        files = frozenset(str(path) for path in tmp_path.iterdir())
        # As the jail names what it mounts; others may be at work on this machine.
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        mounts = sum(line.split()[-2] in ("jail", "sandbox", "nothing") for line in lines)
        return Traces(frozenset(descendants(pid)), groups(pid), mounts, files, containers())

    return find


@pytest.fixture
def before(traces: Callable[[int], Traces]) -> Traces:
    """What is there before."""
    return replace(traces(0), processes=frozenset())


@pytest.fixture
def pool_owner(
    before: Traces,
    level: Level,
    limits: SandboxLimits,
    tmp_path: Path,
) -> Iterator[subprocess.Popen[str]]:
    """A process with a pool of this level at work."""
    arguments = [str(level), asdict(replace(limits, wall_s=600.0)), HUNG]
    script = f"{SCRIPT.read_text()}\nimport json, sys\nown(*json.loads(sys.argv[1]))"
    owner = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "started\n"
    yield owner
    owner.kill()
    owner.communicate()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_of_a_pool_leaves_nothing_however_it_ends(
    before: Traces,
    pool_owner: subprocess.Popen[str],
    traces: Callable[[int], Traces],
    eventually: Callable[[Callable[[], bool]], bool],
    end: signal.Signals,
) -> None:
    # One that was not started yet stays until the next owner removes it, which another test shows.
    assert eventually(lambda: not containers("--filter", "status=created"))
    working = traces(pool_owner.pid)
    assert working.processes or working.containers > before.containers
    pool_owner.send_signal(end)
    pool_owner.wait(30)

    def gone() -> bool:
        left = traces(pool_owner.pid)
        alive = [pid for pid in working.processes if Path(f"/proc/{pid}").exists()]
        return not alive and replace(left, processes=frozenset()) == before

    assert eventually(gone), (before, traces(pool_owner.pid))
