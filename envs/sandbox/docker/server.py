"""The first process of a container: keeps a locked-down child ready, and runs one request in each.

It and the code it runs are different users, so that the kernel keeps them apart in every call: by
signals, through /proc, and where priorities or limits of others are set. It may become another user
and kill, and nothing else; the code may nothing at all. It ends, and all of the container with it,
when its standard input does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reachgym.envs.sandbox import execution, kernel, session_server, wire, zygote
from reachgym.envs.sandbox.docker import frames
from reachgym.envs.sandbox.docker.relay import CHUNK_BYTES, Relay, send
from reachgym.envs.sandbox.docker.tidy import FOLDERS, left_files, remove_files

_SERVER_ID, _CODE_ID = 65533, 65534
_DIRTY = 4
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
# gVisor's own, open to all.
_UNWANTED_DEVICES = ("/dev/fuse", "/dev/net/tun")


class ContainerSetup(execution.Setup):
    """What is the same for every execution in a container."""

    def lock_down(self) -> None:
        """Become the code's user, and give up every power, for good."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setresgid(_CODE_ID, _CODE_ID, _CODE_ID)
        os.setresuid(_CODE_ID, _CODE_ID, _CODE_ID)
        # Its own files below /proc are its own again.
        kernel.set_readable(True)
        Path("/proc/self/oom_score_adj").write_text("1000")
        execution.Setup.lock_down(self)


@dataclass(frozen=True, slots=True)
class _Execution:
    """A child that runs a request, or waits for one.

    Attributes:
        pid: The child.
        channel: Takes its descriptors to it.
        status: Gives its report, where it comes to no code.
    """

    pid: int
    channel: socket.socket
    status: int


def main(orders: bytes) -> NoReturn:
    """Serve the supervisor on standard input and output."""
    _give_up_powers()
    header, _, program = orders.partition(b"\n")
    rlimits = [(number, execution.at_most(number, value)) for number, value in json.loads(header)]
    setup = ContainerSetup(rlimits, [], program)
    zygote.preload()
    gc.collect()
    gc.freeze()
    gc.disable()
    _Server(setup).serve()


def _give_up_powers() -> None:
    for folder in FOLDERS:
        # Some engines give a new folder the permissions of what it hides.
        os.chmod(folder, 0o1777)
    if left := left_files():
        # Nobody inside could remove them, and no execution shall find what no other does.
        sys.exit(f"its folders for temporary files hold {left[:5]}")
    for device in _UNWANTED_DEVICES:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(device, 0)
    kernel.empty_bounding_set()
    kernel.keep_capabilities()
    os.setgroups([])
    os.setresgid(_SERVER_ID, _SERVER_ID, _SERVER_ID)
    os.setresuid(_SERVER_ID, _SERVER_ID, _SERVER_ID)
    kernel.hold_capabilities(_CAP_KILL, _CAP_SETGID, _CAP_SETUID)
    kernel.set_readable(False)


class _Server:
    def __init__(self, setup: ContainerSetup) -> None:
        self._setup = setup
        self._input = frames.FrameBuffer()
        self._woken, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> NoReturn:
        """Run one request after the other; each finds the container as the first did."""
        while True:
            # All is clean; the request comes while the child is being made.
            send(wire.READY)
            waiting = self._prepare()
            kind, length = self._await_header()
            if kind == wire.OPEN:
                self._end_all()
                self._host_session()
            if kind == wire.RUN:
                self._run(waiting, length)
                self._clean()
            else:
                # What ends a call may cross its report, and then means nothing.
                self._input.take(frames.HEADER.size + length)
                self._end_all()
            waiting.channel.close()
            os.close(waiting.status)

    def _prepare(self) -> _Execution:
        channel, inner = socket.socketpair()
        status_read, status_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            execution.run(self._setup, inner, status_write)
        inner.close()
        os.close(status_write)
        return _Execution(pid, channel, status_read)

    def _run(self, child: _Execution, length: int) -> None:
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        near, far = socket.socketpair()
        with near, far:
            with contextlib.suppress(ConnectionError):
                fds = (far.fileno(), *(writer for _, writer in outputs))
                wire.send(child.channel, wire.RUN, fds=fds)
            far.close()
            for _, writer in outputs:
                os.close(writer)
            self._pass_on(length, near)
        relay = Relay([reader for reader, _ in outputs])
        ended = None
        while ended is None:
            ready = relay.step(0, self._woken)
            if 0 in ready:
                self._read_input()
                while (frame := self._input.next()) is not None:
                    if frame[0] == wire.KILL:
                        _kill_all()
            if self._woken in ready:
                os.read(self._woken, CHUNK_BYTES)
                ended = _bury(child.pid)
        self._end_all()
        report = os.read(child.status, execution.REPORT_BYTES)
        relay.finish(report[:1] or wire.FINISHED, report[1:] or struct.pack("<i", ended))

    def _pass_on(self, length: int, near: socket.socket) -> None:
        """Hand a request's payload to the child as it comes; a large one is never all here."""
        self._input.take(frames.HEADER.size)
        while length:
            chunk = self._input.take(min(length, CHUNK_BYTES))
            if not chunk:
                self._read_input()
                continue
            length -= len(chunk)
            with contextlib.suppress(ConnectionError):
                near.sendall(chunk)

    def _await_header(self) -> tuple[bytes, int]:
        while (header := self._input.header()) is None:
            self._read_input()
        return header

    def _read_input(self) -> None:
        chunk = os.read(0, CHUNK_BYTES)
        if not chunk:
            # The supervisor is gone. The kernel kills all others with the first process.
            os._exit(0)
        self._input.add(chunk)

    def _end_all(self) -> None:
        """Kill and bury every other process; nobody is left whom it has not seen dead."""
        with contextlib.suppress(ChildProcessError):
            while True:
                # Again after each death: one that was just being born may have been missed.
                _kill_all()
                os.wait()

    def _clean(self) -> None:
        """Remove every file; ends the container where it is not as it was."""
        if left_files():
            pid = os.fork()
            if pid == 0:
                remove_files(self._setup)
            os.waitpid(pid, 0)
        left = left_files()
        left += [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        if left:
            os.write(2, f"an execution left {left[:5]}\n".encode(errors="replace"))
            os._exit(_DIRTY)

    def _host_session(self) -> NoReturn:
        """Give the supervisor a session to talk to."""
        near, far = socket.socketpair()
        self._input.take(frames.HEADER.size)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            near.close()
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(0, 1)
            session_server.serve(self._setup, far)
        far.close()
        # Orphans need no other burial.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            send(*wire.receive(near)[:2])
            while True:
                self._call(near)
        except (wire.ClosedError, ConnectionError):
            os._exit(1)

    def _call(self, near: socket.socket) -> None:
        kind, length = self._await_header()
        if kind in (wire.KILL, wire.INTERRUPT):
            self._input.take(frames.HEADER.size + length)
            return
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        writers = [writer for _, writer in outputs]
        socket.send_fds(near, [frames.HEADER.pack(kind, length)], writers)
        for writer in writers:
            os.close(writer)
        self._pass_on(length, near)
        relay = Relay([reader for reader, _ in outputs])
        while near.fileno() not in (ready := relay.step(0, near.fileno())):
            if 0 in ready:
                self._read_input()
                while (stop := self._input.next()) is not None:
                    wire.send(near, *stop)
        relay.finish(*wire.receive(near)[:2])


def _kill_all() -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _bury(child: int) -> int | None:
    """Bury who has died, orphans too; the child's exit code if it is among them."""
    ended = None
    with contextlib.suppress(ChildProcessError):
        while (buried := os.waitpid(-1, os.WNOHANG))[0]:
            if buried[0] == child:
                ended = os.waitstatus_to_exitcode(buried[1])
    return ended
