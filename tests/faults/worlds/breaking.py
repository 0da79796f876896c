"""A cluster, a store, a server and a driver as real processes, and everything that befalls them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import faulty_world
from ray.cluster_utils import Cluster

from reachgym.rollout.scheduler import run_attempts
from reachgym.rollout.store import TrajectoryStore

_WORLDS = Path(__file__).parent
_MARK = "FAULTS_PLACE"
_HEALTH = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
_DISK_BYTES = 64 * 2**20
# After so long without an end something hangs.
_MOST_S = 1500.0
_NOT_WRITTEN = 3


@dataclass
class Place:
    """What a run consists of.

    Attributes:
        folder: Of its own; the store is in `disk`, a file system that can be filled.
        nodes: The cluster; two nodes besides the head have room for workers.
        struck: How often each fault befell it.
        drivers: How many drivers were started.
        told: What drivers said of what they made.
    """

    folder: Path
    nodes: Cluster
    port: int
    small_disk: bool
    episodes: int
    struck: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    told: list[dict] = field(default_factory=list)
    driver: subprocess.Popen[str] | None = None
    server: subprocess.Popen[str] | None = None

    @property
    def store(self) -> Path:
        return self.folder / "disk" / "store"

    def start_driver(self) -> None:
        url = f"http://127.0.0.1:{self.port}/v1"
        script = str(_WORLDS / "driver.py")
        self.drivers += 1
        with (self.folder / f"driver-{self.drivers}.log").open("w") as log:
            self.driver = subprocess.Popen(
                [
                    sys.executable,
                    script,
                    str(self.store),
                    self.nodes.address,
                    str(self.episodes),
                    url,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def start_server(self) -> None:
        script = str(_WORLDS / "chat_server.py")
        self.server = subprocess.Popen(
            [sys.executable, script, str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "ready\n"

    def processes(self) -> dict[int, str]:
        """Processes that this place's cluster and drivers started, with their command lines."""
        mark = f"{_MARK}={self.folder}".encode()
        marked = {
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if mark in _read(path).split(b"\0")
        }
        parents = {pid: _parent(pid) for pid in _pids()}
        # What a sandbox runs has no environment of its own, but parents.
        found = {pid for pid in parents if marked & set(_ancestors(pid, parents))}
        return {pid: _command(pid) for pid in marked | found if pid != os.getpid()}


@contextlib.contextmanager
def a_place(folder: Path, episodes: int) -> Iterator[Place]:
    """A place in which nothing runs yet but its cluster and its server."""
    (folder / "disk").mkdir(parents=True)
    given = {
        _MARK: str(folder),
        "PYTHONPATH": str(_WORLDS),
        faulty_world.NO_MEMORY: str(folder / "no-memory"),
    }
    before = {name: os.environ.pop(name, None) for name in given}
    os.environ |= given
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "none", str(folder / "disk")]
    small = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    head = {"num_cpus": 0, "_system_config": _HEALTH}
    place = Place(folder, Cluster(initialize_head=True, head_node_args=head), port, small, episodes)
    try:
        for _ in range(2):
            place.nodes.add_node(num_cpus=1)
        place.start_server()
        yield place
    finally:
        for process in (place.driver, place.server):
            if process is not None:
                process.kill()
                process.wait()
        place.nodes.shutdown()
        if small:
            subprocess.run(["umount", "-l", str(folder / "disk")], check=True)
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def kill_worker(place: Place, rng: random.Random) -> None:
    _kill(rng, [pid for pid, line in place.processes().items() if line.startswith("ray::Worker")])


def kill_sandbox(place: Place, rng: random.Random) -> None:
    """Kill a guard or a zygote: who kills the very code that runs may be the code itself."""
    lines = place.processes()
    workers = {pid for pid, line in lines.items() if line.startswith("ray::Worker")}
    guards = {pid for pid in lines if _parent(pid) in workers}
    zygotes = {pid for pid in lines if _parent(pid) in guards}
    _kill(rng, [pid for pid in guards | zygotes if "reachgym.envs.sandbox" in lines[pid]])


def kill_node(place: Place, rng: random.Random) -> None:
    nodes = [node for node in place.nodes.list_all_nodes() if node is not place.nodes.head_node]
    place.nodes.remove_node(rng.choice(nodes), allow_graceful=False)
    time.sleep(rng.uniform(0.0, 1.0))
    place.nodes.add_node(num_cpus=1)


def kill_driver(place: Place, rng: random.Random) -> None:
    if place.driver is not None:
        place.driver.kill()


def restart_server(place: Place, rng: random.Random) -> None:
    if place.server is not None:
        place.server.kill()
        place.server.wait()
    time.sleep(rng.uniform(0.0, 0.5))
    place.start_server()


def drop_connections(place: Place, rng: random.Random) -> None:
    if place.server is not None:
        place.server.send_signal(signal.SIGUSR1)


def run_out_of_memory(place: Place, rng: random.Random) -> None:
    flag = place.folder / "no-memory"
    flag.touch()
    time.sleep(rng.uniform(0.05, 0.3))
    flag.unlink()


def fill_disk(place: Place, rng: random.Random) -> None:
    filler = place.store.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(2**20))
    deadline_s = time.monotonic() + 20.0
    while place.driver is not None and place.driver.poll() is None:
        # A driver that has nothing to write just now is no reason to wait for ever.
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.05)
    filler.unlink()


FAULTS: dict[str, Callable[[Place, random.Random], None]] = {
    "worker killed": kill_worker,
    "sandbox killed": kill_sandbox,
    "node killed": kill_node,
    "driver killed": kill_driver,
    "endpoint killed": restart_server,
    "connections dropped": drop_connections,
    "out of memory": run_out_of_memory,
    "disk full": fill_disk,
}


def play(place: Place, faults: Sequence[str], *, seed: int, every_s: float) -> None:
    """Make every attempt, with faults at random times until the last one is made.

    Each of them strikes once before any strikes again.

    Raises:
        AssertionError: A driver failed, or nothing moves any more.
    """
    rng = random.Random(seed)
    deadline_s = time.monotonic() + _MOST_S
    possible = [name for name in faults if name != "disk full" or place.small_disk]
    coming: list[str] = []
    place.start_driver()
    while True:
        assert time.monotonic() < deadline_s, f"it hangs, with seed {seed}: {place.struck}"
        if _ended(place, rng.expovariate(1 / every_s) if faults else _MOST_S):
            return
        coming = coming or rng.sample(possible, len(possible))
        name = coming.pop()
        FAULTS[name](place, rng)
        place.struck[name] += 1


def _ended(place: Place, within_s: float) -> bool:
    """Whether everything is made; a driver that ended before that is started again."""
    driver = place.driver
    assert driver is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.wait(within_s)
    if driver.returncode is None:
        return False
    assert driver.stdout is not None
    place.told += [json.loads(told) for told in driver.stdout.read().splitlines()]
    if driver.returncode == 0:
        return True
    words = (place.folder / f"driver-{place.drivers}.log").read_text()
    assert driver.returncode in (-signal.SIGKILL, _NOT_WRITTEN), words
    place.start_driver()
    return False


@dataclass(frozen=True)
class Comparison:
    """A store beside an undisturbed run."""

    lost: int
    doubled: int
    differing: tuple[str, ...]
    failures: int


def compare(place: Place) -> Comparison:
    """Hold what was kept against the same attempts made in one process, undisturbed."""
    kept: Counter = Counter()
    differing: list[str] = []
    wanted = undisturbed(place.episodes // 2)
    with TrajectoryStore(place.store, create=False) as store:
        for row in store.read(failures=False):
            kept[row.key] += 1
            same = wanted.get((row.key.policy, row.key.seed))
            if faulty_world.timeless(row) != same:
                differing.append(f"expected {same}, got {row}")
        failures = sum(row.failure is not None for row in store.read())
    lost = 2 * (place.episodes // 2) - len(kept)
    return Comparison(lost, sum(kept.values()) - len(kept), tuple(differing), failures)


def undisturbed(count: int) -> dict[tuple[str, int], object]:
    """Attempts by policy and seed; both policies say the same."""
    made = {}
    for policy in faulty_world.POLICIES:
        agent = faulty_world.Local()
        for row in run_attempts(agent, faulty_world.attempts(policy, count), slots=64):
            made[policy, row.key.seed] = faulty_world.timeless(row)
    return made


def left_behind(place: Place) -> list[str]:
    """Processes of drivers that ended: workers, and what their sandboxes run."""
    deadline_s = time.monotonic() + 15.0
    while True:
        left = [
            line
            for line in place.processes().values()
            if "reachgym.envs.sandbox" in line or line.startswith("ray::Worker")
        ]
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(0.2)


def _kill(rng: random.Random, pids: Sequence[int]) -> None:
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(sorted(pids)), signal.SIGKILL)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def _command(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace")
