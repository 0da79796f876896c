"""Attacks on the memory of a machine where no control group may be made, by whoever is no root."""

from __future__ import annotations

from collections.abc import Callable

import pytest

LIMIT_MIB = 96
SCRIPT = """
from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits
try:
    sandbox = NamespacesSandbox(SandboxLimits(memory_bytes={limit_mib} * 2**20, wall_s=4))
except SandboxError as error:
    print("no sandbox", error)
    raise SystemExit
print(sandbox.exec({code!r}).stdout)
"""
HOLD = {
    "private": "held = bytearray(b'x') * (40 * 2**20); full = 40\n",
    "shared": "held = mmap.mmap(-1, 40 * 2**20); held.write(bytes(40 * 2**20)); full = 40\n",
    "sockets": "held = []; full = 0\n"
    "try:\n"
    "    while full < 2**25:\n"
    "        near, far = socket.socketpair(); held += [near, far]; near.setblocking(False)\n"
    "        try:\n"
    "            while True: full += near.send(bytes(2**16))\n"
    "        except BlockingIOError: pass\n"
    "except OSError: pass\n"
    "full >>= 20\n",
}


@pytest.fixture(scope="session")
def level() -> str:
    """The one that root and others get alike."""
    return "namespaces"


@pytest.fixture(scope="module")
def survivors(as_ordinary_user: Callable[[str], str]) -> Callable[[str], int]:
    """MiB that children of an ordinary user's sandbox held together, and for a while."""

    def run(hold: str) -> int:
        code = (
            "import mmap, os, socket, time\n"
            "for _ in range(12):\n"
            "    if os.fork() == 0: break\n"
            "else:\n"
            "    time.sleep(3); os._exit(0)\n"
            f"{hold}"
            "time.sleep(1); os.write(1, b'%d ' % full); os._exit(0)\n"
        )
        stdout = as_ordinary_user(SCRIPT.format(limit_mib=LIMIT_MIB, code=code))
        return sum(map(int, stdout.split()))

    return run


@pytest.mark.parametrize(
    "kind",
    [
        "private",
        "shared",
        pytest.param(
            "sockets",
            marks=pytest.mark.xfail(
                reason="nobody counts what the kernel holds for sockets", strict=True
            ),
        ),
    ],
)
def test_memory_bomb_of_an_ordinary_user(survivors: Callable[[str], int], kind: str) -> None:
    assert survivors(HOLD[kind]) <= LIMIT_MIB + 64
