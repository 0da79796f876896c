"""The program inside the jail: a warm interpreter that forks a child for each execution.

One execution runs at a time, and ends with all its processes before the next starts. So those of
one zygote take turns in what nothing can be left in, and each has of its own what can:

- Process numbers, and the working directory and other mounts, are made anew for each.
- Names of hosts are set with a capability and by calls that code has not.
- Objects of System V and message queues outlive their makers; the filter refuses every call that
  makes one.
- A network namespace takes long to make and longer to end. It has no interface that is up, and code
  may change nothing in it but by sockets, and by flow labels, which the filter refuses. Sockets end
  with those who hold them, but for some that hold each other: the kernel looks for these later. So
  the next execution waits until the kernel counts none; where it cannot be asked or goes on
  counting, each has a network of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass

from reachgym.envs.sandbox import execution, kernel, session_server, wire

_EMPTY_S = 0.1
_LOOK_S = 0.001
_NO_SOCKETS = b"sockets: used 0\n"

# What much code needs. Each library more makes every fork dearer.
_PRELOADED = """
    ast base64 bisect calendar cmath collections contextlib copy dataclasses datetime decimal enum
    fractions functools heapq io itertools json math numbers operator pathlib queue random re
    statistics string struct textwrap threading time traceback types typing
"""


@dataclass(slots=True)
class _Zygote:
    """What executions start from.

    Attributes:
        control: The socket to the supervisor.
        setup: For every execution.
        self_fd: A pidfd of this process.
        reports: Where a child says that it could not run its code, and where that is read.
        namespaces: Made anew for each execution, besides that of process numbers.
    """

    control: socket.socket
    setup: execution.Setup
    self_fd: int
    reports: tuple[int, int]
    namespaces: int


def main() -> None:
    """Serve requests on descriptor 3 until its other end closes."""
    kernel.die_with_parent()
    # Code in the sandbox may send signals to the process that keeps its namespaces, which is
    # immune without handlers.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernel.empty_bounding_set()
    preload()
    execution.set_environment()
    control = socket.socket(fileno=wire.CONTROL_FD)
    with contextlib.suppress(wire.ClosedError, ConnectionError):
        _, payload, _ = wire.receive(control)
        header, _, program = payload.partition(b"\n")
        setup = execution.Setup(**json.loads(header), seccomp_program=program)
        own_network = 0 if _counts_sockets() else kernel.CLONE_NEWNET
        zygote = _Zygote(
            control,
            setup,
            os.pidfd_open(os.getpid()),
            os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC),
            kernel.CLONE_NEWNS | own_network,
        )
        gc.collect()
        gc.freeze()
        gc.disable()
        wire.send(control, wire.READY)
        _serve(zygote)


def preload() -> None:
    """Import what code often needs, so that each execution finds it there."""
    for name in _PRELOADED.split():
        # A distribution may leave out some extension modules.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _serve(zygote: _Zygote) -> None:
    while True:
        kind, _, fds = wire.receive(zygote.control)
        if kind == wire.OPEN:
            _host_session(zygote, socket.socket(fileno=fds[0]))
            return
        # A kill that crossed the reply it was meant for is late, and means nothing.
        if kind == wire.RUN:
            reply = _execute(zygote, fds)
            wire.send(zygote.control, reply[:1], reply[1:])


def _execute(zygote: _Zygote, fds: list[int]) -> bytes:
    """Run what comes with these descriptors, end all it started, and say how it ended."""
    if not zygote.namespaces & kernel.CLONE_NEWNET and not _network_is_empty():
        zygote.namespaces |= kernel.CLONE_NEWNET
    kernel.set_namespace(zygote.self_fd, kernel.CLONE_NEWPID)
    kernel.unshare(kernel.CLONE_NEWPID)
    # Not the code: who is first in a namespace may ignore what would kill others.
    first = kernel.start_idle_process()
    child = kernel.fork()
    if child == 0:
        request, *outputs = fds
        execution.run_in_namespaces(
            zygote.setup, zygote.namespaces, request, outputs, zygote.reports[1]
        )
    for fd in fds:
        os.close(fd)
    ended = _ends_by_itself(zygote.control, child)
    # The kernel kills all others of a process namespace with its first process.
    os.kill(first, signal.SIGKILL)
    exit_code = _bury(child, first)
    if exit_code:
        with contextlib.suppress(BlockingIOError):
            # Said before any code ran.
            return os.read(zygote.reports[0], execution.REPORT_BYTES)
    return wire.FINISHED + struct.pack("<i", exit_code) if ended else wire.KILLED


def _ends_by_itself(control: socket.socket, child: int) -> bool:
    """Wait until it has ended; false where `control` says first that it is to be killed."""
    child_fd = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(child_fd, select.POLLIN)
        poll.register(control, select.POLLIN)
        if child_fd in dict(poll.poll()):
            return True
        wire.receive(control)
        return False
    finally:
        os.close(child_fd)


def _bury(child: int, first: int) -> int:
    """Wait until a process namespace has ended with its first process; the child's exit code."""
    exit_code = 0
    while True:
        # Code can make itself siblings.
        pid, ending = os.waitpid(-1, kernel.WAIT_FOR_ALL)
        if pid == child:
            exit_code = os.waitstatus_to_exitcode(ending)
        elif pid == first:
            return exit_code


def _counts_sockets() -> bool:
    """Whether the kernel tells how many sockets this network namespace has."""
    empty = _has_no_sockets()
    near, far = socket.socketpair()
    with near, far:
        return empty and not _has_no_sockets()


def _network_is_empty() -> bool:
    """Whether the last socket is gone, or goes soon."""
    deadline_s = time.monotonic() + _EMPTY_S
    while not _has_no_sockets():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_S)
    return True


def _has_no_sockets() -> bool:
    return os.pread(wire.SOCKETS_FD, len(_NO_SOCKETS), 0) == _NO_SOCKETS


def _host_session(zygote: _Zygote, supervisor: socket.socket) -> None:
    """Give the supervisor a session to talk to; returns when either is gone."""
    first = kernel.clone(kernel.OWN_EVERYTHING)
    if first == 0:
        session_server.serve(zygote.setup, supervisor)
    supervisor.close()
    _ends_by_itself(zygote.control, first)
