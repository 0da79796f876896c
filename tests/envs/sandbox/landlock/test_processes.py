"""The landlock level's processes: how they die, what they leave, and what a machine must have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox

Owners = Callable[[str], subprocess.Popen[str]]
Processes = Callable[[int], list[int]]
Own = Callable[[], list[int]]
Gone = Callable[[list[int]], bool]
Folders = Callable[[int], list[Path]]

IDLE = "sys.stdin.read()"
BUSY = (
    "sandbox.exec('import os, signal, time\\n"
    "for n in range(1, 32):\\n"
    "    try: signal.signal(n, signal.SIG_IGN)\\n"
    "    except OSError: pass\\n"
    "os.setsid(); os.fork(); os.fork()\\n"
    "time.sleep(60)')"
)
SESSION = "session = sandbox.open_session(); session.shell('sleep 60 & sleep 60 & true'); " + IDLE


@pytest.mark.parametrize("then", [IDLE, BUSY, SESSION], ids=["idle", "busy", "session"])
def test_a_killed_owner_leaves_nothing(
    then: str, start_owner: Owners, descendants: Processes, gone: Gone, folders_of: Folders
) -> None:
    owner = start_owner(then)
    time.sleep(1.0)
    pids = descendants(owner.pid)
    assert len(pids) >= 2
    owner.kill()
    owner.wait()
    assert gone(pids)
    assert folders_of(owner.pid) == []


@pytest.mark.parametrize("then", [BUSY, SESSION], ids=["busy", "session"])
def test_a_killed_guard_leaves_only_a_folder_and_the_next_start_sweeps_it(
    then: str, start_owner: Owners, descendants: Processes, gone: Gone, folders_of: Folders
) -> None:
    owner = start_owner(then)
    time.sleep(1.0)
    pids = descendants(owner.pid)
    guards = [pid for pid in pids if parent_of(pid) == owner.pid]
    for pid in (owner.pid, *guards):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    assert gone(pids)
    LandlockSandbox().close()
    assert folders_of(owner.pid) == []


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


@pytest.mark.parametrize("which", [0, 1], ids=["guard", "zygote"])
def test_a_process_killed_during_a_call_is_an_infrastructure_failure(
    sandbox: LandlockSandbox, processes: Own, gone: Gone, which: int
) -> None:
    pid = processes()[which]
    running: list[int] = []

    def kill() -> None:
        running.extend(processes())
        os.kill(pid, signal.SIGKILL)

    threading.Timer(0.5, kill).start()
    with pytest.raises(SandboxError, match="died"):
        sandbox.exec("import os, time; os.fork(); os.fork(); time.sleep(60)")
    assert len(running) == 6
    assert gone(running)
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_closing_leaves_nothing(descendants: Processes, folders_of: Folders) -> None:
    before = set(descendants(os.getpid()))
    with LandlockSandbox() as sandbox, sandbox.open_session() as session:
        session.shell("sleep 60 & sleep 60 & true")
        assert len(set(descendants(os.getpid())) - before) >= 6
        assert len(folders_of(os.getpid())) == 2
    assert set(descendants(os.getpid())) == before
    assert folders_of(os.getpid()) == []


def test_an_execution_ends_with_all_its_processes_and_files(
    sandbox: LandlockSandbox, processes: Own, folders_of: Folders
) -> None:
    before = processes()
    for _ in range(5):
        code = "import os, time; open('x', 'w').close(); os.fork(); os.fork() or time.sleep(60)"
        assert sandbox.exec(code).exit_code == 0
        # Nothing is waited for here: it must all be over when the answer comes.
        assert processes() == before
        (top,) = folders_of(os.getpid())
        assert list((top / "work").iterdir()) == []


def test_neither_guard_nor_zygote_can_be_looked_into_by_their_own_user(
    sandbox: LandlockSandbox, processes: Own
) -> None:
    for pid in processes():
        # Of a process that nobody may look into, root owns what the kernel tells.
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0


@pytest.mark.parametrize(
    "attempt",
    [
        "os.setpriority(os.PRIO_USER, 0, 19)",
        "fail() if libc.syscall(IOPRIO_SET, 3, 0, 0x6000) else None",
        # What a file's owner may do through a descriptor that only reads: flags, and verity.
        "fcntl.ioctl(os.open(os.__file__, os.O_RDONLY), 0x40086602, bytes(8))",
        "fcntl.ioctl(os.open(os.__file__, os.O_RDONLY), 0x40806685, bytes(128))",
        "socket.socketpair()[0].sendmsg([b'x'])",
        "socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)",
        "os.mkdir('x', 0o300)",
        "fail() if libc.prctl(4, 0, 0, 0, 0) else None",
    ],
)
def test_what_landlock_does_not_hear_of_is_refused(sandbox: LandlockSandbox, attempt: str) -> None:
    code = (
        "import ctypes, errno, fcntl, os, platform, socket\n"
        "IOPRIO_SET = 30 if platform.machine() == 'aarch64' else 251\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def fail(): raise OSError(ctypes.get_errno(), 'refused')\n"
        f"try: {attempt}\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    assert sandbox.exec(code).stdout == "EPERM\n"


def test_a_folder_can_always_be_looked_into(sandbox: LandlockSandbox) -> None:
    code = (
        "import ctypes, os\nctypes.CDLL(None).umask(0o777); os.mkdir('x'); os.chmod('x', 0)\n"
        "print(oct(os.stat('x').st_mode))"
    )
    assert sandbox.exec(code).stdout == "0o40755\n"


def without(statements: str) -> str:
    script = (
        "import errno, sys\n"
        "from reachgym.envs.errors import SandboxError\n"
        f"{statements}\n"
        "from reachgym.envs.sandbox.landlock.sandbox import LandlockSandbox\n"
        "try: LandlockSandbox()\n"
        "except SandboxError as error: print(error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("code", "advice"), [("ENOSYS", "CONFIG_SECURITY_LANDLOCK"), ("EOPNOTSUPP", "`lsm=` parameter")]
)
def test_a_kernel_without_landlock_is_told_what_to_do(code: str, advice: str) -> None:
    told = without(
        "import pyseccomp\n"
        "program = pyseccomp.SyscallFilter(pyseccomp.ALLOW)\n"
        f"program.add_rule(pyseccomp.ERRNO(errno.{code}), 444)\n"
        "program.load()"
    )
    assert told.startswith("expected Landlock on this machine, but ")
    assert advice in told


def test_a_machine_without_libseccomp_is_told_so() -> None:
    assert "Install it" in without("sys.modules['pyseccomp'] = None")
