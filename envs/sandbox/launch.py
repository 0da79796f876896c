"""Starts and ends the processes of one sandbox, seen from the supervisor."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import cgroup, guard, sizes, wire
from reachgym.envs.sandbox.execution import at_most
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.seccomp_filter import compile_filter

BOOTSTRAP = """
import importlib, sys, types
folder, program = sys.argv[1:3]
for name in ("reachgym", "reachgym.envs", "reachgym.envs.sandbox"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
importlib.import_module("reachgym.envs.sandbox." + program).main()
"""
_START_S = 60.0
_END_S = 10.0
# The zygote, its guard where that has the same user, the first process of a namespace.
_ZYGOTE_PROCESSES = 3
# So that an execution runs into its own limit before it keeps the zygote from forking.
_SPARE_PROCESSES = 16
_SERIAL = itertools.count()


class BrokenStartError(Exception):
    """A guard or its zygote did not come up."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The running processes of one sandbox.

    Attributes:
        guard: The process outside the jail; its standard input is its lifeline.
        control: The socket to the zygote.
        zygote_pid: As the supervisor sees it.
        memory_limited: A control group bounds the memory of all processes together.
        groups: The folders of the control groups.
    """

    guard: subprocess.Popen[bytes]
    control: socket.socket
    zygote_pid: int
    memory_limited: bool
    groups: list[str]

    @property
    def ended(self) -> bool:
        """Whether the processes are gone by themselves."""
        return self.guard.poll() is not None

    def end(self) -> tuple[int, str]:
        """End all processes; returns the guard's exit status and last words."""
        self.control.close()
        status, words = _end_guard(self.guard)
        if status < 0:
            # It was killed, and could not remove them.
            cgroup.Group(tuple(map(Path, self.groups)), self.memory_limited).remove()
        return status, words


def start(limits: SandboxLimits, copies: Sequence[tuple[str, str]] = ()) -> Slot:
    """Start a guard and its zygote.

    Args:
        limits: What one execution may use.
        copies: Files of the host that the jail shall have, and their paths there.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """
    try:
        process, control, about = open_guard("guard", limits, _setup(limits), copies)
    except BrokenStartError as error:
        raise SandboxError(
            "expected Linux namespaces, mounts and seccomp to be available for a sandbox, but:"
            f" {error}. Allow user namespaces, or run as"
            " root with CAP_SYS_ADMIN; code is never run without isolation."
        ) from error
    return Slot(process, control, **json.loads(about))


def open_guard(
    program: str, limits: SandboxLimits, setup: bytes, copies: Sequence[tuple[str, str]] = ()
) -> tuple[subprocess.Popen[bytes], socket.socket, bytes]:
    """Start a guard and its zygote, and hand over `setup`.

    Args:
        program: The guard's module, below this package.
        limits: What one execution may use.
        setup: What the zygote is to know.
        copies: As for `start`.

    Returns:
        The guard, the socket to the zygote, and what the guard says about it.

    Raises:
        BrokenStartError: They did not come up; its text is the reason they gave.
    """
    control, far_end = socket.socketpair()
    control.settimeout(_START_S)
    with far_end:
        process = _spawn_guard(program, limits, far_end, copies)
    try:
        _, about, _ = wire.receive(control)
        wire.send(control, wire.SETUP, setup)
        wire.receive(control)
    except (wire.ClosedError, OSError) as error:
        control.close()
        _, reason = _end_guard(process)
        raise BrokenStartError(reason or str(error) or "its processes died") from error
    return process, control, about


def _spawn_guard(
    program: str,
    limits: SandboxLimits,
    control: socket.socket,
    copies: Sequence[tuple[str, str]],
) -> subprocess.Popen[bytes]:
    owner = os.pidfd_open(os.getpid())
    orders = guard.Orders(
        name=cgroup.name_for(os.getpid(), next(_SERIAL)),
        bootstrap=BOOTSTRAP,
        memory_bytes=limits.memory_bytes + sizes.SERVER_BYTES,
        processes=limits.processes + _ZYGOTE_PROCESSES + _SPARE_PROCESSES,
        control_fd=control.fileno(),
        owner_fd=owner,
        copies=list(copies),
    )
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", BOOTSTRAP, folder, program]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=(control.fileno(), owner),
            # An interrupt from the terminal is the supervisor's to handle.
            start_new_session=True,
        )
    finally:
        os.close(owner)
    if process.stdin is None:
        raise SandboxError("expected a pipe to the sandbox's guard, got none")
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
        process.stdin.flush()
    return process


def _end_guard(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """End the guard and with it all others; returns its exit status and last words."""
    words = b""
    try:
        # A forked copy of the supervisor may hold the pipe open, so a byte says it too.
        with contextlib.suppress(BrokenPipeError):
            _, words = process.communicate(b"q", timeout=_END_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return process.wait(), words.decode(errors="replace").strip()


def _setup(limits: SandboxLimits) -> bytes:
    """What every execution of the zygote shares: a JSON line, then the filter."""
    files = f"size={limits.file_bytes},nr_inodes={sizes.INODES},mode=700"
    shared = f"size={sizes.SHARED_MEMORY_BYTES},nr_inodes={sizes.SHARED_MEMORY_INODES},mode=700"
    setup = {"rlimits": rlimits(limits), "mounts": [["/tmp", files], ["/dev/shm", shared]]}
    return json.dumps(setup).encode() + b"\n" + compile_filter()


def rlimits(limits: SandboxLimits) -> list[tuple[int, int]]:
    """Number and value of each resource limit of an execution."""
    wanted = {
        resource.RLIMIT_AS: limits.memory_bytes + sizes.INTERPRETER_ADDRESS_BYTES,
        resource.RLIMIT_NPROC: limits.processes + _ZYGOTE_PROCESSES,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CPU: math.ceil(limits.wall_s * (os.cpu_count() or 1)) + 1,
        resource.RLIMIT_NOFILE: sizes.DESCRIPTORS,
        # A host's program that takes cores from a pipe is spared at 1, and not at 0.
        resource.RLIMIT_CORE: 1,
    }
    return [(number, at_most(number, value)) for number, value in wanted.items()]
