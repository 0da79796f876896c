"""Follows one execution from the supervisor's side: its output, its deadline, its memory."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass, field

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.launch import Slot
from reachgym.envs.sandbox.memory_watch import held_bytes
from reachgym.envs.sandbox.protocol import SandboxLimits

_CHUNK_BYTES = 2**16
_GRACE_S = 10.0
_MEMORY_WATCH_S = 0.02


@dataclass(slots=True)
class _Stream:
    """One output stream, of which the first or the last bytes are kept."""

    fd: int
    cap_bytes: int
    keep_last: bool
    kept: bytearray = field(default_factory=bytearray)
    truncated: bool = False

    def read(self) -> bool:
        """Take what is there; false at the stream's end."""
        try:
            chunk = os.read(self.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self.truncated |= len(self.kept) + len(chunk) > self.cap_bytes
        self.kept += chunk
        if self.keep_last:
            del self.kept[: -self.cap_bytes]
        else:
            del self.kept[self.cap_bytes :]
        return bool(chunk)


@dataclass(frozen=True, slots=True)
class Collected:
    """What an execution sent.

    Attributes:
        reply: The kind of the zygote's reply.
        payload: Its content.
        stdout: Kept standard output.
        stderr: Kept standard error.
        truncated: Some of them was dropped.
        timed_out: It was told to end at the deadline.
    """

    reply: bytes
    payload: bytes
    stdout: bytes
    stderr: bytes
    truncated: bool
    timed_out: bool

    def decoded(self) -> tuple[str, str]:
        """Both streams as text."""
        return self.stdout.decode(errors="replace"), self.stderr.decode(errors="replace")


def collect(slot: Slot, request: bytes, limits: SandboxLimits) -> Collected:
    """Have the zygote run `request` and wait for its end.

    Raises:
        wire.ClosedError: The zygote died.
        OSError: Likewise.
        SandboxError: The zygote did not end the execution when told to.
    """
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
    # The last words on standard error say what went wrong.
    streams = [
        _Stream(reader, limits.output_bytes, keep_last)
        for (reader, _), keep_last in zip(pipes, (False, True), strict=True)
    ]
    try:
        try:
            _send(slot, request, [writer for _, writer in pipes])
        finally:
            for _, writer in pipes:
                os.close(writer)
        timed_out = _follow(slot, streams, limits)
        reply, payload, _ = wire.receive(slot.control)
        for stream in streams:
            # All writers are dead; what they wrote is still in the pipe.
            os.set_blocking(stream.fd, False)
            while stream.read():
                pass
    finally:
        for stream in streams:
            os.close(stream.fd)
    stdout, stderr = (bytes(stream.kept) for stream in streams)
    return Collected(reply, payload, stdout, stderr, any(s.truncated for s in streams), timed_out)


def _send(slot: Slot, request: bytes, outputs: list[int]) -> None:
    """Hand over the execution's descriptors, then the request to whoever got them."""
    near, far = socket.socketpair()
    with near:
        with far:
            wire.send(slot.control, wire.RUN, fds=(far.fileno(), *outputs))
        near.settimeout(_GRACE_S)
        # A child that died meanwhile is the zygote's to report.
        with contextlib.suppress(ConnectionError):
            near.sendall(request)


def _follow(slot: Slot, streams: list[_Stream], limits: SandboxLimits) -> bool:
    """Read output until the zygote replies; returns whether the deadline passed."""
    by_fd = {stream.fd: stream for stream in streams}
    poll = select.poll()
    for fd in (slot.control.fileno(), *by_fd):
        poll.register(fd, select.POLLIN)
    deadline_s = time.monotonic() + limits.wall_s
    told = timed_out = False
    while True:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 and told:
            raise SandboxError(f"the sandbox did not end an execution within {_GRACE_S} s")
        over = not slot.memory_limited and held_bytes(slot.zygote_pid) > limits.memory_bytes
        if not told and (left_s <= 0 or over):
            told, timed_out = True, left_s <= 0
            wire.send(slot.control, wire.KILL)
            deadline_s = time.monotonic() + _GRACE_S
            continue
        wait_s = left_s if slot.memory_limited or told else min(left_s, _MEMORY_WATCH_S)
        ready = [fd for fd, _ in poll.poll(max(0.0, wait_s) * 1000 + 1)]
        if slot.control.fileno() in ready:
            return timed_out
        for fd in ready:
            if not by_fd[fd].read():
                poll.unregister(fd)
