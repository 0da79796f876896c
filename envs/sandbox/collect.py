"""Follows one call from the supervisor's side: its output, its deadline, its memory."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import wire
from reachgym.envs.sandbox.launch import Slot
from reachgym.envs.sandbox.memory_watch import held_bytes
from reachgym.envs.sandbox.output import CappedOutput
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits

_MEMORY_WATCH_S = 0.02


@dataclass(frozen=True, slots=True)
class Stop:
    """How a call is told to end, and how long it may take to.

    Attributes:
        kind: The frame that says it.
        grace_s: Seconds until the next way is tried; after the last one the sandbox is broken.
    """

    kind: bytes
    grace_s: float


INTERRUPT = Stop(wire.INTERRUPT, 1.0)
KILL = Stop(wire.KILL, 10.0)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a call sent.

    Attributes:
        reply: The kind of the reply.
        payload: Its content.
        stdout: Standard output.
        stderr: Standard error.
        timed_out: It was told to end at the deadline.
    """

    reply: bytes
    payload: bytes
    stdout: CappedOutput
    stderr: CappedOutput
    timed_out: bool

    def result(self, outcome: Outcome, exit_code: int, seconds: float) -> ExecResult:
        """What the call left, as every level gives it."""
        truncated = self.stdout.truncated or self.stderr.truncated
        texts = self.stdout.text(), self.stderr.text()
        return ExecResult(outcome, exit_code, *texts, truncated, seconds)


def collect(
    slot: Slot,
    answers: socket.socket,
    hand_over: Callable[[Sequence[int]], None],
    limits: SandboxLimits,
    stops: Sequence[Stop] = (KILL,),
    *,
    stdout_bytes: int | None = None,
) -> Collected:
    """Make one call and wait for its end.

    Args:
        slot: The sandbox's processes.
        answers: Where the reply comes, and where the call is told to end.
        hand_over: Makes the call, given the descriptors to write standard output and error to.
        limits: What it may use.
        stops: How it is told to end, the gentlest way first.
        stdout_bytes: Kept of standard output, where that is not what `limits` say.

    Raises:
        wire.ClosedError: The other end died.
        OSError: Likewise.
        SandboxError: The call did not end when told to.
    """
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
    caps = (stdout_bytes or limits.output_bytes, limits.output_bytes)
    streams = {reader: CappedOutput(cap) for (reader, _), cap in zip(pipes, caps, strict=True)}
    try:
        try:
            hand_over([writer for _, writer in pipes])
        finally:
            for _, writer in pipes:
                os.close(writer)
        timed_out = _follow(slot, answers, streams, limits, stops)
        reply, payload, _ = wire.receive(answers)
        for reader, stream in streams.items():
            # What was written before the reply is in the pipe by now.
            os.set_blocking(reader, False)
            while stream.read(reader):
                pass
    finally:
        for reader in streams:
            os.close(reader)
    stdout, stderr = streams.values()
    return Collected(reply, payload, stdout, stderr, timed_out)


def _follow(
    slot: Slot,
    answers: socket.socket,
    streams: dict[int, CappedOutput],
    limits: SandboxLimits,
    stops: Sequence[Stop],
) -> bool:
    """Read output until the reply comes; returns whether the deadline passed."""
    poll = select.poll()
    for fd in (answers.fileno(), *streams):
        poll.register(fd, select.POLLIN)
    deadline_s = time.monotonic() + limits.wall_s
    timed_out = False
    while True:
        left_s = deadline_s - time.monotonic()
        watched = bool(stops) and not slot.memory_limited
        over = watched and held_bytes(slot.zygote_pid) > limits.memory_bytes
        if left_s <= 0 and not stops:
            raise SandboxError("the sandbox did not end what it was told to end")
        if left_s <= 0 or over:
            # Too much memory is no matter for a gentle word.
            stop, *stops = stops[-1:] if over else stops
            timed_out |= left_s <= 0
            wire.send(answers, stop.kind)
            deadline_s = time.monotonic() + stop.grace_s
            continue
        wait_s = min(left_s, _MEMORY_WATCH_S) if watched else left_s
        ready = [fd for fd, _ in poll.poll(max(0.0, wait_s) * 1000 + 1)]
        if answers.fileno() in ready:
            return timed_out
        for fd in ready:
            if not streams[fd].read(fd):
                poll.unregister(fd)
