"""The first process of a session's namespaces: keeps its files, and its REPL between calls.

It takes calls from the supervisor and hands each to a child that has given up all powers; it never
runs what a call brings. The REPL is one child that lives on; a shell and file access are children
of one call. What children say is believed of nothing but themselves.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import gc
import marshal
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from reachgym.envs.sandbox import execution, kernel, wire

SHELLS = ("/usr/bin/sh", "/bin/sh")
REFUSED = 120
_CALLS_FD = 3
_CHUNK_BYTES = 2**16


def serve(setup: execution.Setup, supervisor: socket.socket) -> NoReturn:
    """Answer calls until the supervisor is gone; returns never."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        setup.prepare()
        wire.send(supervisor, wire.READY)
        session = _Server(setup, supervisor)
        while True:
            session.answer(*wire.receive(supervisor))
    except (wire.ClosedError, ConnectionError):
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            wire.send(supervisor, wire.BROKEN, f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(1)


class _Server:
    def __init__(self, setup: execution.Setup, supervisor: socket.socket) -> None:
        # A REPL works for as long as its session; each call has a deadline of its own.
        rlimits = [(n, value) for n, value in setup.rlimits if n != resource.RLIMIT_CPU]
        self._setup = dataclasses.replace(setup, rlimits=rlimits)
        self._supervisor = supervisor
        self._repl: tuple[int, socket.socket] | None = None

    def answer(self, kind: bytes, payload: bytes, fds: list[int]) -> None:
        """Carry out one call and report its exit code, and whether the REPL is alive."""
        if kind not in _CHILDREN and kind != wire.CELL:
            # What ends a call may cross its report, and then means nothing.
            return
        exit_code = (
            self._cell(payload, fds) if kind == wire.CELL else self._once(kind, payload, fds)
        )
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        report = struct.pack("<i?", exit_code, self._repl is not None)
        wire.send(self._supervisor, wire.FINISHED, report)

    def _cell(self, code: bytes, fds: list[int]) -> int:
        if self._repl is None:
            calls, inner = socket.socketpair()
            pid = self._fork(lambda: _repl(inner))
            inner.close()
            self._repl = pid, calls
        pid, calls = self._repl
        with contextlib.suppress(ConnectionError):
            wire.send(calls, wire.CELL, code, tuple(fds))
        for fd in fds:
            os.close(fd)
        ended = self._await(pid, calls, lambda: os.kill(pid, signal.SIGINT))
        if ended is None:
            # Its word for it; a REPL that lies about its status fools nobody else.
            answer = calls.recv(4)
            if len(answer) == 4:
                return int(struct.unpack("<i", answer)[0])
            ended = self._end(pid)
        calls.close()
        self._repl = None
        return ended

    def _once(self, kind: bytes, payload: bytes, fds: list[int]) -> int:
        def child() -> NoReturn:
            # Copies first: a descriptor must not be overwritten before it found its place.
            for target, fd in enumerate([os.dup(fd) for fd in fds], start=1):
                os.dup2(fd, target)
            os.closerange(_CALLS_FD, 1024)
            _CHILDREN[kind](payload)

        pid = self._fork(child)
        for fd in fds:
            os.close(fd)
        ended = self._await(pid, None, lambda: os.killpg(pid, signal.SIGKILL))
        return self._end(pid) if ended is None else ended

    def _fork(self, run: Callable[[], NoReturn]) -> int:
        try:
            pid = os.fork()
        except BlockingIOError:
            self._make_room()
            pid = os.fork()
        if pid == 0:
            try:
                self._supervisor.close()
                self._setup.lock_down()
                run()
            except BaseException:
                os._exit(1)
        return pid

    def _make_room(self) -> None:
        """Kill and bury all that the session's calls have left, who took every place there is."""
        with contextlib.suppress(ProcessLookupError):
            self._setup.kill_all()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        if self._repl is not None:
            self._repl[1].close()
            self._repl = None

    def _await(
        self, pid: int, calls: socket.socket | None, interrupt: Callable[[], None]
    ) -> int | None:
        """Exit code of the child, or None where it spoke; does what the supervisor asks for."""
        ended = kernel.watch_end(pid)
        poll = select.poll()
        for fd in (ended, self._supervisor.fileno(), *([calls.fileno()] if calls else [])):
            poll.register(fd, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in poll.poll()}
                if calls is not None and calls.fileno() in ready:
                    return None
                if ended in ready:
                    return self._end(pid)
                kind, _, _ = wire.receive(self._supervisor)
                if kind == wire.KILL:
                    return self._end(pid)
                with contextlib.suppress(ProcessLookupError):
                    interrupt()
        finally:
            os.close(ended)

    def _end(self, pid: int) -> int:
        """Kill the child if it lives, and with a REPL all there is; its exit code."""
        repl = self._repl is not None and self._repl[0] == pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, ending = os.waitpid(pid, 0)
        if repl:
            with contextlib.suppress(ProcessLookupError):
                self._setup.kill_all()
        return os.waitstatus_to_exitcode(ending)


def _repl(calls: socket.socket) -> NoReturn:
    """Run cells in one module until the server is gone."""
    os.dup2(calls.detach(), _CALLS_FD)
    os.closerange(_CALLS_FD + 1, 1024)
    calls = socket.socket(fileno=_CALLS_FD)
    main = execution.main_module()
    own = os.getpid()
    gc.enable()
    while True:
        _, code, outputs = wire.receive(calls)
        for target, fd in enumerate(outputs, start=1):
            os.dup2(fd, target)
            os.close(fd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = execution.guarded(lambda: _run_cell(code.decode(), main))  # noqa: B023 - run at once
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = execution.guarded(execution.flush) or status
        if os.getpid() != own:
            # A fork that came to the end of its cell; the next one is not its to run.
            os._exit(status)
        calls.sendall(struct.pack("<i", status))


def _run_cell(code: str, main: types.ModuleType) -> None:
    """Run it as a REPL does: the value of a final expression is shown."""
    tree = ast.parse(code, "<cell>")
    last: ast.Expr | None = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last, tree.body = tree.body[-1], tree.body[:-1]
    # Running code is what this program is for; it is locked down by now.
    exec(compile(tree, "<cell>", "exec"), main.__dict__)  # noqa: S102
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), main.__dict__)  # noqa: S307
        sys.displayhook(value)


def _shell(command: bytes) -> NoReturn:
    for shell in SHELLS:
        with contextlib.suppress(FileNotFoundError):
            os.execv(shell, [shell, "-c", os.fsdecode(command)])
    _refuse(f"there is no shell: neither {' nor '.join(SHELLS)}")


def _write(payload: bytes) -> NoReturn:
    if why := execution.put_files(marshal.loads(payload)):
        _refuse(why)
    os._exit(0)


def _read(name: bytes) -> NoReturn:
    """Copy a file to standard output, where it is a regular one within the working directory."""
    try:
        real = os.path.realpath(os.fsdecode(name), strict=True)
        if not Path(real).is_relative_to(os.getcwd()):
            _refuse(f"{name.decode()!r} leads out of the working directory")
        fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            _refuse(f"{name.decode()!r} is no regular file")
        while chunk := os.read(fd, _CHUNK_BYTES):
            view = memoryview(chunk)
            while view:
                view = view[os.write(1, view) :]
    except OSError as error:
        _refuse(f"{name.decode()!r} cannot be read: {error.strerror}")
    os._exit(0)


def _refuse(why: str) -> NoReturn:
    os.write(2, why.encode(errors="replace"))
    os._exit(REFUSED)


_CHILDREN: dict[bytes, Callable[[bytes], NoReturn]] = {
    wire.SHELL: _shell,
    wire.WRITE: _write,
    wire.READ: _read,
}
