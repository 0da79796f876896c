"""The program inside the jail: a warm interpreter that keeps one prepared child to run code in.

Namespaces take longer to make and to end than most code takes to run. So the next execution's
are made ahead: while this one runs, where requests come without a pause or the code takes its time,
and else when it is answered, for both would want the processors at once. The last one's end after
its answer is given.
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
from collections import deque
from dataclasses import dataclass

from reachgym.envs.sandbox import execution, kernel, session_server, wire

# Reapers whose namespaces may still be ending when the next execution starts.
MOST_DYING = 4
_PAUSE_MS = 2
_SHORT_MS = 5

_PRELOADED = """
    argparse ast base64 bisect bz2 calendar cmath collections contextlib copy csv dataclasses
    datetime decimal enum fractions functools hashlib heapq inspect io itertools json logging
    lzma math numbers operator pathlib pickle pprint queue random re shutil statistics string
    struct subprocess tempfile textwrap threading time traceback types typing unittest uuid zlib
"""


@dataclass(frozen=True, slots=True)
class _Standby:
    """A reaper whose child waits, locked down, for something to run.

    Attributes:
        ended: A pidfd of the reaper.
        channel: Takes the execution's descriptors to the child.
        status: Gives the reaper's report.
    """

    ended: int
    channel: socket.socket
    status: int

    def close(self) -> None:
        self.channel.close()
        os.close(self.status)


def main() -> None:
    """Serve requests on descriptor 3 until its other end closes."""
    kernel.die_with_parent()
    # Code in the sandbox may send signals to its reaper, which is immune without handlers.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Ended reapers need no burial: their reports came before.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    kernel.empty_bounding_set()
    preload()
    control = socket.socket(fileno=3)
    with contextlib.suppress(wire.ClosedError, ConnectionError):
        _, payload, _ = wire.receive(control)
        header, _, program = payload.partition(b"\n")
        setup = execution.Setup(**json.loads(header), seccomp_program=program)
        gc.collect()
        gc.freeze()
        gc.disable()
        wire.send(control, wire.READY)
        _serve(control, setup)


def preload() -> None:
    """Import what code often needs, so that each execution finds it there."""
    for name in _PRELOADED.split():
        # A distribution may leave out some extension modules.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _serve(control: socket.socket, setup: execution.Setup) -> None:
    standby = _prepare(setup)
    dying: deque[int] = deque()
    while True:
        pressed = _readable(control.fileno(), _PAUSE_MS)
        kind, _, fds = wire.receive(control)
        if kind == wire.OPEN:
            standby.close()
            _host_session(control, setup, socket.socket(fileno=fds[0]))
            return
        if kind != wire.RUN:
            # A kill that crossed the reply it was meant for is late, and means nothing.
            continue
        if _readable(standby.ended, timeout_ms=0):
            standby.close()
            os.close(standby.ended)
            standby = _prepare(setup)
        # A child that has died since then tells so by its missing report.
        with contextlib.suppress(ConnectionError):
            wire.send(standby.channel, wire.RUN, fds=tuple(fds))
        for fd in fds:
            os.close(fd)
        early = pressed or not _readable(standby.status, _SHORT_MS)
        following = _prepare(setup) if early else None
        report = _await_report(control, standby)
        wire.send(control, report[:1] or wire.KILLED, report[1:])
        standby.close()
        dying.append(standby.ended)
        if len(dying) > MOST_DYING:
            _readable(dying[0], timeout_ms=None)
            os.close(dying.popleft())
        standby = following or _prepare(setup)


def _host_session(
    control: socket.socket, setup: execution.Setup, supervisor: socket.socket
) -> None:
    """Give the supervisor a session to talk to; returns when either is gone."""
    reaper = kernel.clone(kernel.OWN_EVERYTHING)
    if reaper == 0:
        session_server.serve(setup, supervisor)
    supervisor.close()
    poll = select.poll()
    for fd in (os.pidfd_open(reaper), control.fileno()):
        poll.register(fd, select.POLLIN)
    poll.poll()


def _prepare(setup: execution.Setup) -> _Standby:
    channel, inner = socket.socketpair()
    status_read, status_write = os.pipe()
    reaper = kernel.clone(kernel.OWN_EVERYTHING)
    if reaper == 0:
        execution.reap(setup, inner, status_write)
    inner.close()
    os.close(status_write)
    return _Standby(os.pidfd_open(reaper), channel, status_read)


def _await_report(control: socket.socket, standby: _Standby) -> bytes:
    """The reaper's report, or nothing if it was killed, as it is when told to on `control`."""
    poll = select.poll()
    poll.register(standby.status, select.POLLIN)
    poll.register(control, select.POLLIN)
    if all(fd != standby.status for fd, _ in poll.poll()):
        # The kernel kills all others of a process namespace with its first process.
        signal.pidfd_send_signal(standby.ended, signal.SIGKILL)
        wire.receive(control)
        _readable(standby.ended, timeout_ms=None)
    report = os.read(standby.status, execution.REPORT_BYTES)
    if not report:
        _readable(standby.ended, timeout_ms=None)
    return report


def _readable(fd: int, timeout_ms: int | None) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_ms))
