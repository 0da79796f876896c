"""The program between a supervisor and its zygote: jails it, and cleans up when either is gone.

It runs in a fresh interpreter with an empty environment, sees the host, and outlives a killed
supervisor just long enough to end the zygote and to remove its control groups.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.sandbox import cgroup, jail, kernel, wire
from reachgym.envs.sandbox.memory_watch import held_bytes

OUT_OF_MEMORY = 3
UNPRIVILEGED_ID = 65534
_MEMORY_WATCH_MS = 100
_INSIDE = ("kernel.py", "wire.py", "zygote.py", "execution.py", "session_server.py")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the supervisor asks of its guard.

    Attributes:
        name: Names the control groups.
        bootstrap: Source that runs one of the sandbox's programs without the package around it.
        memory_bytes: For the zygote and all it starts.
        processes: Likewise.
        control_fd: The zygote's end of the control socket.
        owner_fd: A pidfd of the supervisor.
        copies: Files of the host to be copied into the jail, and their paths there.
    """

    name: str
    bootstrap: str
    memory_bytes: int
    processes: int
    control_fd: int
    owner_fd: int
    copies: list[tuple[str, str]]


def main() -> None:
    """Run the zygote until it, the supervisor, or the pipe on standard input ends."""
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    group = cgroup.create(orders.name, orders.memory_bytes, orders.processes)
    status = 1
    try:
        zygote = _start_zygote(orders, group)
        over = wait_for_an_end(
            zygote, orders.owner_fd, None if group.memory else orders.memory_bytes
        )
        if over or group.ran_out_of_memory():
            status = OUT_OF_MEMORY
    except OSError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        group.remove()
    sys.exit(status)


def _start_zygote(orders: Orders, group: cgroup.Group) -> int:
    here = Path(__file__).parent
    root_user = os.geteuid() == 0
    if root_user:
        kernel.unshare(kernel.CLONE_NEWNS)
    else:
        user, members = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUSER)
        _map_identity("self", user, members)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = jail.build([str(here / name) for name in _INSIDE], orders.copies)
    gate, opener = os.pipe()
    flags = kernel.OWN_EVERYTHING | (kernel.CLONE_NEWUSER if root_user else 0)
    pid = kernel.clone(flags)
    if pid == 0:
        os.close(opener)
        _become_zygote(orders, root, gate, root_user)
    os.close(gate)
    if root_user:
        _map_identity(str(pid), UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    group.add(pid)
    with socket.socket(fileno=orders.control_fd) as control:
        folders = [str(folder) for folder in group.folders]
        about = {"zygote_pid": pid, "memory_limited": group.memory, "groups": folders}
        wire.send(control, wire.READY, json.dumps(about).encode())
    os.write(opener, b"!")
    os.close(opener)
    return pid


def _map_identity(process: str, user: int, group: int) -> None:
    """Let the one id inside a user namespace be `user` and `group` outside."""
    folder = Path("/proc", process)
    if process == "self":
        (folder / "setgroups").write_text("deny")
    (folder / "gid_map").write_text(f"{UNPRIVILEGED_ID} {group} 1")
    (folder / "uid_map").write_text(f"{UNPRIVILEGED_ID} {user} 1")


def _become_zygote(orders: Orders, root: str, gate: int, root_user: bool) -> None:
    """In the new process: enter the jail and become the zygote; returns never."""
    try:
        if os.read(gate, 1) != b"!":
            os._exit(1)
        sockets = _count_of_sockets()
        jail.enter(root)
        socket.sethostname("sandbox")
        if root_user:
            os.setgroups([])
            kernel.keep_capabilities()
            os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
            os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        kernel.set_capabilities(kernel.CAP_SYS_ADMIN, kernel.CAP_SETPCAP)
        kernel.die_with_parent()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        # Copies first: a descriptor must not be overwritten before it found its place.
        for target, fd in enumerate([os.dup(orders.control_fd), os.dup(sockets)], wire.CONTROL_FD):
            os.dup2(fd, target)
            os.set_inheritable(target, True)
        os.closerange(wire.SOCKETS_FD + 1, os.sysconf("SC_OPEN_MAX"))
        # A fixed hash seed: the same code prints its sets in the same order in every zygote.
        arguments = [jail.PYTHON, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", orders.bootstrap]
        os.execve(jail.PYTHON, [*arguments, jail.PROGRAM, "zygote"], {"PYTHONHASHSEED": "0"})
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def _count_of_sockets() -> int:
    """A file that tells how many sockets this process's network namespace has, or nothing."""
    try:
        return os.open("/proc/self/net/sockstat", os.O_RDONLY)
    except OSError:
        return os.open("/dev/null", os.O_RDONLY)


def wait_for_an_end(zygote: int, owner_fd: int, memory_bytes: int | None) -> bool:
    """Return when the zygote is dead and reaped, killing it if its supervisor is gone.

    Args:
        zygote: Its process.
        owner_fd: A pidfd of the supervisor.
        memory_bytes: Past this it is killed; None where a control group sees to that. The
            supervisor looks more often, but only while it waits for a call.

    Returns:
        Whether it held too much memory.
    """
    poll = select.poll()
    for fd in (os.pidfd_open(zygote), owner_fd, 0):
        poll.register(fd, select.POLLIN | select.POLLHUP)
    over = False
    while not poll.poll(None if memory_bytes is None else _MEMORY_WATCH_MS):
        over = memory_bytes is not None and held_bytes(zygote) > memory_bytes
        if over:
            break
    with contextlib.suppress(ProcessLookupError):
        os.kill(zygote, signal.SIGKILL)
    os.waitpid(zygote, 0)
    return over
