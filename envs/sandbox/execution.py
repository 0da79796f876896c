"""One execution inside the jail: a process that gives up all powers and runs code."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import marshal
import os
import random
import resource
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reachgym.envs.sandbox import kernel, wire

REPORT_BYTES = 4096

WORK = "/tmp"
ENVIRONMENT = {"HOME": WORK, "PATH": "/usr/bin", "LANG": "C.UTF-8"}

_STATUS_FD = 3
_REQUEST_FD = 4


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for every execution of a zygote.

    Attributes:
        rlimits: Number of each resource limit and its value.
        mounts: Where a fresh tmpfs goes, and its options.
        seccomp_program: The system call filter, compiled.
    """

    rlimits: list[tuple[int, int]]
    mounts: list[tuple[str, str]]
    seccomp_program: bytes

    def prepare(self) -> None:
        """Make what every execution has of its own."""
        for point, options in self.mounts:
            kernel.mount("sandbox", point, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)

    def lock_down(self) -> None:
        """Go to the working directory and give up every power, for good."""
        set_environment()
        self.give_up_powers()

    def give_up_powers(self) -> None:
        """As `lock_down`, where the environment is set already."""
        os.chdir(WORK)
        os.setsid()
        for number, value in self.rlimits:
            resource.setrlimit(number, (value, value))
        kernel.set_capabilities()
        kernel.lock_down(self.seccomp_program)

    def kill_all(self) -> None:
        """Kill every other process of the session, as its first process."""
        os.kill(-1, signal.SIGKILL)


def set_environment() -> None:
    """Let this process and its children find what code may see, and nothing else."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)


def run_in_namespaces(
    setup: Setup, namespaces: int, request: int, outputs: Sequence[int], status: int
) -> NoReturn:
    """In a new process: go into new namespaces, give up all powers, and run what is requested."""
    try:
        kernel.unshare(namespaces)
        setup.prepare()
        setup.give_up_powers()
        random.seed()
        for target, fd in enumerate(outputs, start=1):
            os.dup2(fd, target)
    except BaseException as error:
        _report(status, error)
        os._exit(1)
    _answer(request, status)


def run(setup: Setup, channel: socket.socket, status: int) -> NoReturn:
    """In a new process: give up all powers, take a request from `channel`, and run its code."""
    try:
        setup.lock_down()
        _take_descriptors(channel, status)
    except BaseException as error:
        _report(status, error)
        os._exit(1)
    _answer(_REQUEST_FD, _STATUS_FD)


def _answer(request: int, status: int) -> NoReturn:
    try:
        code, files = _read_request(request)
        refused = put_files(files)
    except BaseException as error:
        _report(status, error)
        os._exit(1)
    if refused:
        os.write(status, wire.REFUSED + refused.encode(errors="replace")[:1000] + b"\0")
        os._exit(1)
    os.closerange(_STATUS_FD, 1024)
    os._exit(_run_code(code))


def _report(status: int, error: BaseException) -> None:
    os.write(status, wire.BROKEN + f"{type(error).__name__}: {error}".encode()[:1000])


def _take_descriptors(channel: socket.socket, status: int) -> None:
    """Wait for the execution's descriptors, then keep these alone."""
    _, _, (request, *outputs) = wire.receive(channel)
    # Copies first: a descriptor must not be overwritten before it found its place.
    spare = [os.dup(fd) for fd in (os.open("/dev/null", os.O_RDONLY), *outputs, status, request)]
    for target, fd in enumerate(spare):
        os.dup2(fd, target)
    os.closerange(_REQUEST_FD + 1, 1024)


def _read_request(request: int) -> tuple[str, dict[str, bytes]]:
    with open(request, "rb") as stream:
        code, files = marshal.load(stream)
    return str(code), files


def put_files(files: dict[str, bytes]) -> str:
    """Write files into the working directory; why one cannot be written, or nothing."""
    for name, content in files.items():
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (OSError, ValueError) as error:
            return f"{name!r} cannot be written: {error}"
    return ""


def _run_code(code: str) -> int:
    """Run `code` as the main module would run; returns the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main = main_module()
    gc.enable()
    # Running code is what this program is for; it is locked down by now.
    status = guarded(lambda: exec(compile(code, "<code>", "exec"), main.__dict__))  # noqa: S102
    if threading.active_count() > 1:
        _join_threads()
    atexit._run_exitfuncs()
    return guarded(flush) or status


def _join_threads() -> None:
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()


def main_module() -> types.ModuleType:
    """A main module as an interpreter of its own would have it."""
    sys.argv = [""]
    # The site module, which is not loaded here, has these.
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return main


def guarded(action: Callable[[], None]) -> int:
    """Do it; an exception ends as in an interpreter of its own: a traceback and a status."""
    try:
        action()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return (ending.code or 0) & 0xFF
        _complain(str(ending.code) + "\n")
    except BaseException as error:
        # Frames before those of the code are this program's.
        where = error.__traceback__
        while where and not where.tb_frame.f_code.co_filename.startswith("<"):
            where = where.tb_next
        _complain("".join(traceback.format_exception(error.with_traceback(where))))
    else:
        return 0
    return 1


def _complain(text: str) -> None:
    # The code may have replaced or closed its standard error.
    with contextlib.suppress(BaseException):
        sys.stderr.write(text)


def flush() -> None:
    """Write out what was printed."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def at_most(number: int, value: int) -> int:
    """`value`, or the hard limit this process itself is under: it cannot be raised."""
    _, hard = resource.getrlimit(number)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
