"""Executions of one zygote take turns in namespaces: nothing of one is there for the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits

# Sockets that hold each other, each with a name: the kernel finds out some time after they closed.
CIRCLES = """
import socket
for n in range(40):
    near, far = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    near.bind(f"\\0near-{n}")
    far.bind(f"\\0far-{n}")
    near.connect(far.getsockname())
    far.connect(near.getsockname())
    socket.send_fds(near, [b"x"], [near.fileno(), far.fileno()])
    socket.send_fds(far, [b"x"], [near.fileno(), far.fileno()])
"""
FOUND = """
import socket
for n in range(40):
    for name in (f"\\0near-{n}", f"\\0far-{n}"):
        mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mine.sendto(b"x", name)
        except ConnectionRefusedError:
            pass
        except OSError as error:
            print(name, error)
        else:
            print(name, "is there")
        try:
            mine.bind(name)
        except OSError as error:
            print(name, error)
"""


@pytest.fixture
def patient() -> Iterator[NamespacesSandbox]:
    with NamespacesSandbox(SandboxLimits(wall_s=20.0)) as opened:
        yield opened


def test_sockets_that_hold_each_other_are_gone_before_the_next(
    patient: NamespacesSandbox,
) -> None:
    for _ in range(20):
        made = patient.exec(CIRCLES)
        assert made.exit_code == 0, made
        assert patient.exec(FOUND).stdout == ""


def test_every_execution_has_processes_and_mounts_of_its_own(
    sandbox: NamespacesSandbox,
    processes: Callable[[], list[int]],
    bystanders: set[int],
    descendants: Callable[[int], list[int]],
) -> None:
    def await_child(idle: list[int]) -> int:
        while True:
            found = [p for p in descendants(os.getpid()) if p not in bystanders.union(idle)]
            if len(found) == 2 and _space(found[-1], "mnt") != _space(idle[1], "mnt"):
                return found[-1]
            time.sleep(0.01)

    idle = processes()
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            ran = thread.submit(sandbox.exec, "import time; print('x'); time.sleep(1)")
            child = await_child(idle)
            for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
                assert _space(child, kind) != os.readlink(f"/proc/self/ns/{kind}")
            for kind in ("mnt", "pid"):
                assert _space(child, kind) != _space(idle[1], kind)
            seen.append((_space(child, "mnt"), _space(child, "pid")))
            numbers = Path(f"/proc/{child}/status").read_text().split("NSpid:")[1]
            assert numbers.splitlines()[0].split()[-1] == "2"
            assert ran.result().stdout == "x\n"
        assert processes() == idle
    assert len(set(seen)) == 2


def _space(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")
