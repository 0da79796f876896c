"""Attacks on what a machine has: processes, memory, space for files, the supervisor's memory."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.envs.sandbox.protocol import ExecResult, Outcome, Sandbox, SandboxLimits

Attack = Callable[..., ExecResult]
# What a level may hold for itself within its control group, and what its counting misses.
SLACK_PROCESSES = 32
SLACK_BYTES = 64 * 2**20
MIB = 2**20


def test_fork_bomb(attack: Attack, limits: SandboxLimits) -> None:
    bomb = "while True:\n    try: os.fork() or os.write(1, b'x')\n    except OSError: pass\n"
    result = attack(bomb)
    assert result.outcome in (Outcome.TIMEOUT, Outcome.KILLED)
    assert result.stdout.count("x") <= limits.processes + SLACK_PROCESSES


def test_thread_bomb(attack: Attack, limits: SandboxLimits) -> None:
    bomb = (
        "import threading\n"
        "while True:\n"
        "    try: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "    except (RuntimeError, MemoryError): break\n"
        "    os.write(1, b'x')\n"
    )
    assert 1 <= attack(bomb).stdout.count("x") <= limits.processes + SLACK_PROCESSES


def test_memory_bomb_in_one_process(attack: Attack, limits: SandboxLimits) -> None:
    bomb = "held = []\nfor _ in range(128):\n    held.append(b'x' * 2**23); os.write(1, b'8')\n"
    result = attack(bomb)
    assert result.exit_code != 0
    # A level without control groups bounds address space, of which some is not memory.
    assert result.stdout.count("8") * 8 * MIB <= limits.memory_bytes + 2 * SLACK_BYTES


HOLD = {
    "private": "held = bytearray(b'x') * (32 * 2**20); full = 32\n",
    "shared": "import mmap\nheld = mmap.mmap(-1, 32 * 2**20); full = 32\n"
    "for page in range(0, len(held), 4096): held[page] = 1\n",
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


@pytest.mark.parametrize("kind", HOLD)
def test_memory_bomb_across_16_processes(attack: Attack, limits: SandboxLimits, kind: str) -> None:
    bomb = (
        "for _ in range(16):\n"
        "    if os.fork() == 0:\n"
        f"{textwrap.indent(HOLD[kind], ' ' * 8)}"
        "        time.sleep(0.7); os.write(1, b'%d ' % full); os._exit(0)\n"
        "try:\n"
        "    while True: os.wait()\n"
        "except ChildProcessError: pass\n"
    )
    survived = attack(bomb).stdout
    assert sum(map(int, survived.split())) * MIB <= limits.memory_bytes + SLACK_BYTES


@pytest.mark.parametrize("name", ["memfd", "shmget", "shared mapping", "pipes", "unix sockets"])
def test_memory_that_no_process_maps(attack: Attack, limits: SandboxLimits, name: str) -> None:
    """Each fills up to half a GiB."""
    fills = {
        "memfd": "fd = os.memfd_create('x')\n"
        "for _ in range(64): os.write(fd, bytes(2**23)); os.write(1, b'8')\n",
        "shmget": "libc.shmat.restype = ctypes.c_void_p\n"
        "for _ in range(64):\n"
        "    address = libc.shmat(syscall('shmget', 0, 2**23, 0o1600), None, 0)\n"
        "    ctypes.memset(address, 1, 2**23); os.write(1, b'8')\n"
        "    libc.shmdt(ctypes.c_void_p(address))\n",
        "shared mapping": "import mmap\nheld = []\n"
        "for _ in range(64):\n"
        "    held.append(mmap.mmap(-1, 2**23)); held[-1].write(bytes(2**23)); os.write(1, b'8')\n",
        "pipes": "import fcntl\nfull = 0\n"
        "for _ in range(512):\n"
        "    out, into = os.pipe(); fcntl.fcntl(into, 1031, 2**20); os.set_blocking(into, False)\n"
        "    full += os.write(into, bytes(2**20))\n"
        "    if full >= 2**23: full -= 2**23; os.write(1, b'8')\n",
        "unix sockets": "held = []; full = 0\n"
        "while full < 2**29:\n"
        "    near, far = socket.socketpair(); held += [near, far]; near.setblocking(False)\n"
        "    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**23)\n"
        "    try:\n"
        "        while True: full += near.send(bytes(2**16))\n"
        "    except BlockingIOError: pass\n"
        "    if full >= 2**23: full -= 2**23; os.write(1, b'8')\n",
    }
    result = attack(fills[name])
    assert result.exit_code != 0, result
    assert result.stdout.count("8") * 8 * MIB <= limits.memory_bytes + 2 * SLACK_BYTES


def fill(folder: str) -> str:
    return (
        "for number in range(1024):\n"
        f"    with open(f'{folder}/{{number}}', 'wb', 0) as file:\n"
        "        file.write(bytes(2**18)); os.write(1, b'f')\n"
    )


@pytest.mark.parametrize("folder", [".", "/tmp", "/var/tmp", "/run", "/mnt"])
def test_space_of_a_folder_filled(attack: Attack, limits: SandboxLimits, folder: str) -> None:
    result = attack(fill(folder))
    assert result.exit_code != 0
    # What a control group counts as memory may fill it.
    assert result.stdout.count("f") * 2**18 <= max(limits.file_bytes, 16 * MIB)


def test_shared_memory_folder_filled(attack: Attack, limits: SandboxLimits) -> None:
    result = attack(fill("/dev/shm"))
    assert result.exit_code != 0
    assert result.stdout.count("f") * 2**18 <= limits.memory_bytes


@pytest.mark.parametrize("make", ["open(f'{n}', 'w').close()", "os.mkdir(f'{n}')"])
def test_inode_fill(attack: Attack, level: str, make: str) -> None:
    code = (
        "n = 0\ntry:\n    while n < 50_000:\n"
        f"        {make}; n += 1\n"
        "        if n % 512 == 0: print(n, flush=True)\n"
        "except OSError: pass\nprint(n)\n"
    )
    result = attack(code)
    if level == "docker-gvisor":
        # It does not bound their number, and is slow at making them; only the aftermath counts.
        return
    # What counts files from outside ends the code, and does not refuse.
    assert level == "landlock" or result.outcome is Outcome.EXITED, result
    assert int(result.stdout.split()[-1]) <= 8192


def test_sparse_file(refuses: Attack) -> None:
    code = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "fd = os.open('x', os.O_CREAT | os.O_RDWR)\n"
        "attempt('truncate', os.truncate, fd, 2**40)\n"
        "attempt('write far', os.pwrite, fd, b'x', 2**40)\n"
    )
    refuses(code)


def peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_endless_stdout(attack: Attack, limits: SandboxLimits) -> None:
    # The peak starts anew from what is held now.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    result = attack("block = b'x' * 2**20\nwhile True: os.write(1, block)\n")
    assert result.outcome is Outcome.TIMEOUT
    assert result.truncated
    assert len(result.stdout) <= limits.output_bytes + 200
    assert peak_bytes() - before < 32 * MIB


def test_one_huge_line(attack: Attack, limits: SandboxLimits) -> None:
    result = attack("print('y' * 30_000_000)")
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0)
    assert result.truncated
    assert set(result.stdout[:1000]) == {"y"}
    assert len(result.stdout) <= limits.output_bytes + 200


def test_invalid_utf8(attack: Attack) -> None:
    result = attack(r"os.write(1, b'a\xff\xfe\x00\xed\xa0\x80z'); os.write(2, b'\xc3')")
    assert result.exit_code == 0
    assert result.stdout[0] + result.stdout[-1] == "az"
    assert "\ufffd" in result.stdout
    assert result.stderr == "\ufffd"


def test_closed_stdio(attack: Attack, limits: SandboxLimits) -> None:
    assert attack("os.closerange(0, 1024)\nos._exit(5)").exit_code == 5
    result = attack("os.closerange(0, 1024)\ntime.sleep(60)")
    assert result.outcome is Outcome.TIMEOUT
    assert limits.wall_s <= result.seconds < limits.wall_s + 6


def test_the_supervisor_keeps_no_descriptor_of_an_attack(sandbox: Sandbox) -> None:
    sandbox.exec("print(1)")
    before = len(os.listdir("/proc/self/fd"))
    for code in ("import os; os.closerange(0, 99)", "import os; os.fork()", "1/0", "'\\ud800'"):
        sandbox.exec(code)
    assert len(os.listdir("/proc/self/fd")) <= before
