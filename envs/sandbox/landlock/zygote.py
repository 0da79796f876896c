"""The confined program: a warm interpreter that forks a child to run code in, and ends it all.

Besides what its children may do it has /proc, to count what they hold and to have them killed
first where memory runs out.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from dataclasses import dataclass

from reachgym.envs.sandbox import execution, kernel, session_server, wire
from reachgym.envs.sandbox.guard import OUT_OF_MEMORY
from reachgym.envs.sandbox.landlock import descent, folder, ruleset
from reachgym.envs.sandbox.landlock.confinement import Confinement, Place
from reachgym.envs.sandbox.landlock.user_threads import ProcessLimit
from reachgym.envs.sandbox.landlock.watch import Watch
from reachgym.envs.sandbox.zygote import preload


@dataclass(slots=True)
class _Zygote:
    """What serving takes.

    Attributes:
        control: The socket to the supervisor.
        setup: For every execution.
        watch: Looks after what runs.
    """

    control: socket.socket
    setup: Confinement
    watch: Watch


def main() -> None:
    """Serve requests on descriptor 3 until its other end closes."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    place = Place(**json.loads(sys.argv[3]))
    preload()
    try:
        _drop_privileges(place)
        for_children = _confine(place)
        # Without this list no process could be ended; it is better missed now than then.
        descent.children()
    except OSError as error:
        sys.exit(f"{error}")
    control = socket.socket(fileno=3)
    try:
        _, payload, _ = wire.receive(control)
        zygote = _set_up(control, place, for_children, payload)
        wire.send(control, wire.READY)
        _serve(zygote)
    except (wire.ClosedError, ConnectionError):
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        descent.end()
        folder.empty(place.work)


def _leave(number: int, frame: object) -> None:
    sys.exit(0)


def _drop_privileges(place: Place) -> None:
    kernel.empty_bounding_set()
    if os.geteuid() != place.user:
        os.setgroups([])
        os.setresgid(place.user, place.user, place.user)
        os.setresuid(place.user, place.user, place.user)
    kernel.set_capabilities()
    kernel.set_readable(False)
    kernel.adopt_orphans()
    kernel.die_with_parent(signal.SIGTERM)
    if os.getppid() != place.guard:
        sys.exit("the guard died")


def _confine(place: Place) -> int:
    """Confine this process; returns the stricter rules for its children, as a descriptor."""
    rules = [*place.rules, (ruleset.OWN_FOLDER, place.work)]
    kernel.forbid_new_privileges()
    ruleset.enter(ruleset.create(place.abi, [*rules, (ruleset.LOOK | ruleset.WRITE_FILE, "/proc")]))
    return ruleset.create(place.abi, rules)


def _set_up(control: socket.socket, place: Place, rules: int, payload: bytes) -> _Zygote:
    header, _, programs = payload.partition(b"\n")
    words = json.loads(header)
    first_bytes = words["first_program_bytes"]
    watch = Watch(place.work, **words["watch"])
    setup = Confinement(
        rlimits=words["rlimits"],
        mounts=[],
        seccomp_program=programs[:first_bytes],
        second_program=programs[first_bytes:],
        work=place.work,
        path=place.path,
        ruleset=rules,
        process_limit=ProcessLimit(words["processes"]),
    )
    gc.collect()
    gc.freeze()
    gc.disable()
    return _Zygote(control, setup, watch)


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
    # Counted here, where the next execution finds it.
    zygote.setup.process_limit.value()
    channel, inner = socket.socketpair()
    report, status = os.pipe()
    child = os.fork()
    if child == 0:
        _forget_the_guard()
        execution.run(zygote.setup, inner, status)
    inner.close()
    os.close(status)
    # A child that has died since then tells so by its missing report.
    with contextlib.suppress(ConnectionError):
        wire.send(channel, wire.RUN, fds=tuple(fds))
    for fd in fds:
        os.close(fd)
    killed = not _ends_by_itself(zygote, child)
    descent.kill()
    exit_code = descent.bury(child)
    descent.end()
    killed |= zygote.watch.files_are_too_many()
    folder.empty(zygote.setup.work)
    words = os.read(report, execution.REPORT_BYTES)
    os.close(report)
    channel.close()
    if words or killed:
        # Words came before any code ran.
        return words or wire.KILLED
    return wire.FINISHED + struct.pack("<i", exit_code)


def _host_session(zygote: _Zygote, supervisor: socket.socket) -> None:
    """Give the supervisor a session to talk to; returns when either is gone."""
    server = os.fork()
    if server == 0:
        _forget_the_guard()
        kernel.adopt_orphans()
        kernel.die_with_parent()
        session_server.serve(zygote.setup, supervisor)
    supervisor.close()
    zygote.watch.rests = True
    if not _ends_by_itself(zygote, server):
        sys.exit(OUT_OF_MEMORY)


def _ends_by_itself(zygote: _Zygote, child: int) -> bool:
    """Whether the child ends before a limit is passed, and before the supervisor says a word."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    for fd in (ended, zygote.control.fileno()):
        poll.register(fd, select.POLLIN)
    # At once, in the middle of all else: until then they count as processes of the execution.
    signal.signal(signal.SIGCHLD, lambda number, frame: descent.bury_orphans(spare=child))
    zygote.watch.start()
    try:
        while True:
            ready = {fd for fd, _ in poll.poll(zygote.watch.wait_s * 1000 + 1)}
            if ended in ready:
                return True
            if zygote.control.fileno() in ready:
                wire.receive(zygote.control)
                return False
            if zygote.watch.sees_too_much():
                return False
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(ended)


def _forget_the_guard() -> None:
    """In a child: what the guard's death means to the zygote is nothing to it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
