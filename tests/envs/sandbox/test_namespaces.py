"""The namespaces level: its processes, what they leave behind, and how they die."""

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
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import Outcome, SandboxLimits

Processes = Callable[[int], list[int]]
Idle = Callable[[], list[int]]
Gone = Callable[[list[int]], bool]
Groups = Callable[[int], list[str]]

OWNER = """
import sys
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
sandbox = NamespacesSandbox()
print(sandbox.exec("print(1)").stdout.strip(), flush=True)
{then}
"""
BUSY = 'sandbox.exec("import os, time; os.fork(); time.sleep(60)")'


def start_owner(then: str, folder: Path) -> subprocess.Popen[str]:
    process = launch_owner(then, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return process


def launch_owner(then: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


@pytest.mark.parametrize("then", ["sys.stdin.read()", BUSY], ids=["idle", "busy"])
def test_a_killed_owner_leaves_nothing(
    then: str, tmp_path: Path, descendants: Processes, gone: Gone, control_groups: Groups
) -> None:
    owner = start_owner(then, tmp_path)
    time.sleep(0.3)
    pids = descendants(owner.pid)
    assert len(pids) >= 2
    mounts = Path("/proc/self/mountinfo").read_text()
    owner.kill()
    owner.wait()
    assert gone(pids)
    assert control_groups(owner.pid) == []
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


@pytest.mark.parametrize("then", ["", "1/0", "sandbox.close()"])
def test_an_ended_owner_leaves_nothing(
    then: str, tmp_path: Path, descendants: Processes, gone: Gone, control_groups: Groups
) -> None:
    owner = start_owner(f"sys.stdin.readline()\n{then}", tmp_path)
    pids = descendants(owner.pid)
    owner.communicate("\n", timeout=30)
    assert gone(pids)
    assert control_groups(owner.pid) == []
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_sandbox_is_ended(descendants: Processes, gone: Gone) -> None:
    before = set(descendants(os.getpid()))
    sandbox = NamespacesSandbox()
    pids = sorted(set(descendants(os.getpid())) - before)
    assert len(pids) >= 2
    del sandbox
    assert gone(pids)


def test_closing_leaves_nothing(
    sandbox: NamespacesSandbox, processes: Idle, gone: Gone, control_groups: Groups
) -> None:
    pids = processes()
    sandbox.exec("print(1)")
    sandbox.close()
    assert gone(pids)
    assert control_groups(os.getpid()) == []


def test_no_descriptor_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with NamespacesSandbox() as sandbox:
        opened = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            sandbox.exec("print(1)")
        assert len(os.listdir("/proc/self/fd")) == opened
    assert len(os.listdir("/proc/self/fd")) == before


def test_executions_leave_no_process_and_the_zygote_no_descriptor(
    sandbox: NamespacesSandbox, processes: Idle
) -> None:
    def after_ten_executions(at_most: int) -> int:
        for _ in range(10):
            sandbox.exec("import os; os.fork(); print(1)")
        # An execution's descriptors close after its answer is given.
        deadline_s = time.monotonic() + 10
        while (count := open_descriptors(processes()[1])) > at_most:
            assert time.monotonic() < deadline_s, f"expected at most {at_most}, found {count}"
            time.sleep(0.02)
        return count

    def open_descriptors(pid: int) -> int:
        return len(os.listdir(f"/proc/{pid}/fd"))

    after_ten_executions(at_most=after_ten_executions(at_most=20))


@pytest.mark.parametrize("which", [0, 1], ids=["guard", "zygote"])
def test_a_process_killed_between_calls_is_replaced(
    sandbox: NamespacesSandbox, processes: Idle, control_groups: Groups, which: int
) -> None:
    os.kill(processes()[which], signal.SIGKILL)
    time.sleep(0.2)
    try:
        stdout = sandbox.exec("print(1)").stdout
    except SandboxError:
        stdout = sandbox.exec("print(1)").stdout
    assert stdout == "1\n"
    sandbox.close()
    assert control_groups(os.getpid()) == []


def test_what_a_killed_guard_left_is_removed_by_the_next(
    tmp_path: Path, descendants: Processes, gone: Gone, control_groups: Groups
) -> None:
    owner = start_owner("sys.stdin.read()", tmp_path)
    pids = descendants(owner.pid)
    for pid in (owner.pid, pids[0]):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    assert gone(pids)
    NamespacesSandbox().close()
    assert control_groups(owner.pid) == []


@pytest.mark.parametrize("which", [0, 1], ids=["guard", "zygote"])
def test_a_process_killed_during_a_call_is_an_infrastructure_failure(
    sandbox: NamespacesSandbox, processes: Idle, which: int
) -> None:
    threading.Timer(0.3, os.kill, (processes()[which], signal.SIGKILL)).start()
    with pytest.raises(SandboxError, match="died"):
        sandbox.exec("import time; time.sleep(60)")
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_an_interrupted_call_does_not_confuse_the_next(sandbox: NamespacesSandbox) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            sandbox.exec("import time; time.sleep(1); print('late')")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert sandbox.exec("print('next')").stdout == "next\n"


def test_a_fork_of_the_owner_cannot_use_its_sandbox(sandbox: NamespacesSandbox) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.exec("print(1)")
        except SandboxError:
            sandbox.close()
            os._exit(17)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    assert sandbox.exec("print(1)").stdout == "1\n"


def test_it_outlives_the_thread_that_started_it() -> None:
    made: list[NamespacesSandbox] = []
    thread = threading.Thread(target=lambda: made.append(NamespacesSandbox()))
    thread.start()
    thread.join()
    time.sleep(0.2)
    with made[0] as sandbox:
        assert sandbox.exec("print(1)").stdout == "1\n"


def test_threads_take_turns(sandbox: NamespacesSandbox) -> None:
    outputs: dict[int, str] = {}

    def use(number: int) -> None:
        outputs[number] = sandbox.exec(f"print({number})").stdout

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: f"{number}\n" for number in range(8)}


def test_many_processes_own_one_each(tmp_path: Path) -> None:
    owners = [launch_owner("sys.stdin.read()", tmp_path) for _ in range(4)]
    assert [owner.communicate(timeout=60)[0] for owner in owners] == ["1\n"] * 4


def test_every_process_but_the_owner_has_an_empty_environment(processes: Idle) -> None:
    for pid in processes():
        assert Path(f"/proc/{pid}/environ").read_bytes() in (b"", b"PYTHONHASHSEED=0\0")


def test_only_the_guard_sees_the_host_and_nobody_below_it_keeps_its_user(
    processes: Idle,
) -> None:
    for pid in processes()[1:]:
        status = Path(f"/proc/{pid}/status").read_text()
        if os.getuid() == 0:
            assert "Uid:\t65534\t65534\t65534\t65534" in status
            assert "Groups:\t \n" in status
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
            ours = os.readlink(f"/proc/self/ns/{kind}")
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != ours


def test_a_machine_that_refuses_is_told_what_is_missing() -> None:
    script = (
        "import resource\n"
        "from reachgym.envs.errors import SandboxError\n"
        "from reachgym.envs.sandbox.namespaces import NamespacesSandbox\n"
        "import pyseccomp, errno\n"
        "program = pyseccomp.SyscallFilter(pyseccomp.ALLOW)\n"
        "program.add_rule(pyseccomp.ERRNO(errno.EPERM), 'unshare')\n"
        "program.load()\n"
        "try: NamespacesSandbox()\n"
        "except SandboxError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert "unshare(" in told
    assert "Operation not permitted" in told
    assert "CAP_SYS_ADMIN" in told


def test_a_machine_without_libseccomp_is_told_so() -> None:
    script = (
        "import sys\n"
        "sys.modules['pyseccomp'] = None\n"
        "from reachgym.envs.errors import SandboxError\n"
        "from reachgym.envs.sandbox.namespaces import NamespacesSandbox\n"
        "try: NamespacesSandbox()\n"
        "except SandboxError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert "Install it" in told


UNPRIVILEGED = """
from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import SandboxLimits
try:
    sandbox = NamespacesSandbox(SandboxLimits(memory_bytes=128 * 2**20))
except SandboxError as error:
    print("no sandbox", error)
    raise SystemExit
{then}
"""


def test_an_ordinary_user_gets_the_same_isolation(as_ordinary_user: Callable[[str], str]) -> None:
    then = "print(sandbox.exec('import os; print(os.getuid(), sorted(os.listdir(\"/\")))').stdout)"
    told = as_ordinary_user(UNPRIVILEGED.format(then=then))
    assert told == "65534 ['dev', 'lib', 'lib64', 'tmp', 'usr']\n\n"


def test_memory_of_many_processes_is_limited_without_control_groups(
    as_ordinary_user: Callable[[str], str],
) -> None:
    bomb = (
        "import os, time\\nfor _ in range(7):\\n    if os.fork() == 0: break\\n"
        "x = bytearray(b'x') * (60 * 2**20)\\ntime.sleep(60)"
    )
    told = as_ordinary_user(UNPRIVILEGED.format(then=f'print(sandbox.exec("{bomb}"))'))
    assert "KILLED" in told


def test_a_deadline_counts_from_the_request_on() -> None:
    with NamespacesSandbox(SandboxLimits(wall_s=0.5)) as sandbox:
        time.sleep(1)
        assert sandbox.exec("print(1)").outcome is Outcome.EXITED
        assert sandbox.exec("import time; time.sleep(5)").outcome is Outcome.TIMEOUT
