"""Attacks by and on processes: deadlines, signals, orphans, crashes, what others hold."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reachgym.envs.sandbox.protocol import ExecResult, Outcome, Sandbox, SandboxLimits

Attack = Callable[..., ExecResult]
Owners = Callable[..., subprocess.Popen[str]]
GRACE_S = 6.0


def assert_ended_in_time(result: ExecResult, limits: SandboxLimits) -> None:
    assert result.outcome is Outcome.TIMEOUT, result
    assert limits.wall_s <= result.seconds < limits.wall_s + GRACE_S


# Deadlines.


def test_sleep_past_timeout(attack: Attack, limits: SandboxLimits) -> None:
    result = attack("print('early', flush=True)\nwhile True:\n    time.sleep(60)")
    assert_ended_in_time(result, limits)
    assert result.stdout == "early\n"


def test_signals_ignored_past_timeout(attack: Attack, limits: SandboxLimits) -> None:
    code = (
        "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
        "while True:\n"
        "    try: time.sleep(1)\n"
        "    except BaseException: pass\n"
    )
    assert_ended_in_time(attack(code), limits)


def test_sigalrm_tricks(attack: Attack, limits: SandboxLimits) -> None:
    code = (
        "def again(*_): signal.setitimer(signal.ITIMER_REAL, 60)\n"
        "signal.signal(signal.SIGALRM, again); signal.alarm(0); again()\n"
        "signal.setitimer(signal.ITIMER_PROF, 0); signal.setitimer(signal.ITIMER_VIRTUAL, 0)\n"
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
        "while True:\n"
        "    try: signal.sigwait([signal.SIGALRM])\n"
        "    except BaseException: pass\n"
    )
    assert_ended_in_time(attack(code), limits)


def test_sigstop_self(attack: Attack, limits: SandboxLimits) -> None:
    code = (
        "if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)\n"
        "libc.kill(0, signal.SIGSTOP)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
        "time.sleep(60)\n"
    )
    assert_ended_in_time(attack(code), limits)


# Signals to others, orphans.


def test_signals_to_whoever_looks_after_the_code(attack: Attack) -> None:
    """It must come to a result, be it a kill, and not to a failure of the sandbox."""
    code = (
        "for n in set(signal.Signals):\n"
        "    for pid in others():\n"
        "        try: os.kill(pid, n)\n"
        "        except OSError: pass\n"
        "sys.exit(7)\n"
    )
    assert attack(code).exit_code in (7, -9)


def test_kill_minus_1(attack: Attack, refuses: Attack, bystanders: list[int]) -> None:
    pids = [*bystanders, os.getpid(), os.getppid()]
    # Signal 0 harms nobody; only if it reaches nobody may the real one be tried. In a namespace of
    # its own the code may have been given the number of one of them.
    refuses(f"for pid in {{*{pids}}} - {{os.getpid()}}: attempt('signal 0', os.kill, pid, 0)")
    code = (
        "print('before', flush=True)\n"
        "for n in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):\n"
        "    try: os.kill(-1, n)\n"
        "    except OSError: pass\n"
    )
    result = attack(code)
    assert result.stdout == "before\n"
    assert result.outcome in (Outcome.EXITED, Outcome.KILLED)


def test_daemonised_orphan(attack: Attack) -> None:
    code = (
        "if os.fork() == 0:\n"
        "    libc.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.write(1, b'orphan\\n'); time.sleep(0.4); os.write(1, b'outlived\\n')\n"
        "    time.sleep(60)\n"
        "os.wait(); time.sleep(0.2)\n"
    )
    result = attack(code)
    assert (result.outcome, result.stdout) == (Outcome.EXITED, "orphan\n"), result
    assert result.seconds < 1.5


def test_zombies(
    open_sandbox: Callable[[SandboxLimits], Sandbox],
    limits: SandboxLimits,
    armed: Callable[[str], str],
) -> None:
    code = (
        "for _ in range(15):\n"
        "    if os.fork() == 0: os._exit(0)\n"
        "for _ in range(80):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.fork(); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "print('done')\n"
    )
    # Grandchildren that nobody else waits for must not fill the execution's share either.
    with open_sandbox(replace(limits, wall_s=60.0)) as patient:
        assert patient.exec(armed(code)).stdout == "done\n"


def test_clearing_pdeathsig(
    level: str,
    start_owner: Owners,
    armed: Callable[[str], str],
    living: Callable[[], list[int]],
    eventually: Callable[[Callable[[], bool]], bool],
    tmp_path: Path,
) -> None:
    code = (
        "def free():\n"
        "    libc.prctl(1, 0, 0, 0, 0)\n"
        "    libc.setsid()\n"
        "free()\n"
        "if os.fork() == 0:\n"
        "    free()\n"
        "    if os.fork() == 0: free()\n"
        "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_IGN)\n"
        "while True: time.sleep(60)\n"
    )
    owner = start_owner(armed(code))
    # gVisor's processes are not the host's to see.
    assert level == "docker-gvisor" or eventually(lambda: len(living()) >= 3)
    owner.kill()
    assert eventually(lambda: not living())
    assert eventually(lambda: list(tmp_path.iterdir()) == [])


# Crashes.


def test_c_level_segfault(attack: Attack) -> None:
    result = attack("ctypes.string_at(0)")
    assert (result.outcome, result.exit_code) == (Outcome.KILLED, -11)


def test_core_dump(attack: Attack) -> None:
    code = (
        "import resource\n"
        "try: resource.setrlimit(resource.RLIMIT_CORE, (2**20, 2**20))\n"
        "except (OSError, ValueError): pass\n"
        "if os.fork() == 0: os.abort()\n"
        "print(os.WCOREDUMP(os.wait()[1]), os.listdir('.'))\n"
    )
    assert attack(code).stdout == "False []\n"


def test_core_handed_to_a_program(attack: Attack, level: str) -> None:
    """Where the host sets a program to receive cores, a limit of 0 does not keep them from it."""
    if level == "docker-gvisor":
        pytest.skip("what crashes in gVisor does not crash in the host's kernel")
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE), libc.prctl(3, 0))"
    limit, readable = attack(code).stdout.rsplit(maxsplit=1)
    assert limit == "(1, 1)" or readable == "0"


@pytest.mark.parametrize("through", ["f(x)", "[*map(f, [x])]", "repr(x)"])
def test_deep_recursion(attack: Attack, through: str) -> None:
    code = (
        "sys.setrecursionlimit(10**8)\n"
        "x = []\n"
        "for _ in range(10**5): x = [x]\n"
        f"def f(x): return {through}\n"
        "f(x)\n"
    )
    result = attack(code)
    assert (result.outcome is Outcome.TIMEOUT, result.exit_code == 0) == (False, False)


# What other processes hold.


def test_ptrace(attack: Attack, refuses: Attack, bystanders: list[int]) -> None:
    refuses(
        "space = ctypes.create_string_buffer(64)\n"
        "words = (ctypes.c_uint64 * 2)(ctypes.addressof(space), 8)\n"
        "there = (ctypes.c_uint64 * 2)(id(None), 8)\n"
        f"for pid in [*others(), {os.getpid()}, *{bystanders}]:\n"
        "    attempt('attach', syscall, 'ptrace', 16, pid, 0, 0)\n"
        "    attempt('seize', syscall, 'ptrace', 0x4206, pid, 0, 0)\n"
        "    attempt('read', syscall, 'process_vm_readv', pid, words, 1, there, 1, 0)\n"
        "    attempt('write', syscall, 'process_vm_writev', pid, words, 1, there, 1, 0)\n"
        "    def steal(): return syscall('pidfd_getfd', os.pidfd_open(pid), 0, 0)\n"
        "    attempt('steal', steal)\n"
    )


def test_proc_1_environ(attack: Attack, secret: str, bystanders: list[int]) -> None:
    code = (
        f"for pid in [*others(), 'self', {os.getpid()}, *{bystanders}]:\n"
        "    for name in ('environ', 'cmdline', 'auxv'):\n"
        "        try: print(open(f'/proc/{pid}/{name}', 'rb').read())\n"
        "        except OSError: print('REFUSED')\n"
    )
    result = attack(code)
    assert result.exit_code == 0
    assert secret not in result.stdout
    assert "REACHGYM" not in result.stdout


def test_proc_self_mem(attack: Attack, refuses: Attack, bystanders: list[int]) -> None:
    """Writing to its own memory must not change a file it maps, nor reach anybody else's."""
    before = Path(os.__file__).read_bytes()
    attack(
        "libc.mmap.restype = ctypes.c_void_p\n"
        "fd = os.open(os.__file__, os.O_RDONLY)\n"
        "for flags in (1, 2):\n"
        "    address = libc.mmap(None, 4096, 1, flags, fd, 0)\n"
        "    try:\n"
        "        with open('/proc/self/mem', 'r+b', 0) as file:\n"
        "            file.seek(address); file.write(b'overwritten')\n"
        "    except OSError: pass\n"
    )
    own = "print(open(os.__file__, 'rb').read(11))"
    assert attack(own).stdout == f"{before[:11]!r}\n"
    assert Path(os.__file__).read_bytes() == before
    refuses(
        f"for pid in [*others(), {os.getpid()}, *{bystanders}]:\n"
        "    attempt('mem', open, f'/proc/{pid}/mem', 'r+b', 0)\n"
        "    for fd in range(16): attempt('fd', os.open, f'/proc/{pid}/fd/{fd}', os.O_RDONLY)\n"
    )


def test_inherited_descriptors(attack: Attack, secret_file: Path) -> None:
    near, far = socket.socketpair()
    held = [os.open(secret_file, os.O_RDWR), os.open("/", os.O_RDONLY), far.detach()]
    for fd in held:
        os.set_inheritable(fd, True)
    code = (
        "def kind(fd):\n"
        "    try: return os.fstat(fd).st_mode >> 12\n"
        "    except OSError: return 0\n"
        "print([(fd, kind(fd)) for fd in range(2000) if kind(fd)], os.read(0, 99))\n"
        "for fd in (0, 1, 2):\n"
        "    for use in (os.fchdir, os.listdir, lambda fd: os.open('..', 0, dir_fd=fd)):\n"
        "        attempt(fd, use, fd)\n"
    )
    try:
        first, *rest = attack(code).stdout.splitlines()
    finally:
        for fd in held:
            os.close(fd)
        near.close()
    # Nothing but the null device and two pipes; a pipe and a socket serve as well.
    fds = eval(first.rsplit(" ", 1)[0])  # noqa: S307
    assert [fd for fd, _ in fds] == [0, 1, 2]
    assert {kind for _, kind in fds} <= {0o2, 0o1, 0o14}
    assert first.endswith("b''")
    assert len(rest) == 9
    assert all("REFUSED" in line for line in rest)


def test_secrets_in_the_environment(attack: Attack, secret: str) -> None:
    code = (
        "import gc, json\n"
        "libc.getenv.restype = ctypes.c_char_p\n"
        "print(sorted(os.environ), libc.getenv(b'REACHGYM_BATTERY_SECRET'))\n"
        "environ = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, 'environ')\n"
        "n = 0\n"
        "while environ[n]: print(environ[n]); n += 1\n"
        "wanted = '-'.join(('a', 'secret', 'of'))\n"
        "gc.collect()\n"
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, dict):\n"
        "        for value in list(thing.values()):\n"
        "            if isinstance(value, str) and wanted in value and len(value) < 99:\n"
        "                if value is not wanted: print('FOUND', value)\n"
    )
    result = attack(code)
    assert result.exit_code == 0, result
    assert "FOUND" not in result.stdout
    assert "REACHGYM" not in result.stdout
    assert secret not in result.stdout
