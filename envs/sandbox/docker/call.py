"""Follows one call to a container: its output, its deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.collect import Collected, Stop
from reachgym.envs.sandbox.docker import frames
from reachgym.envs.sandbox.docker.container import Container
from reachgym.envs.sandbox.output import CappedOutput
from reachgym.envs.sandbox.protocol import SandboxLimits


def follow(
    container: Container,
    limits: SandboxLimits,
    stops: Sequence[Stop],
    *,
    stdout_bytes: int | None = None,
) -> Collected:
    """Wait for the end of a call that was made.

    Args:
        container: It was made to this one.
        limits: What it may use.
        stops: How it is told to end, the gentlest way first.
        stdout_bytes: Kept of standard output, where that is not what `limits` say.

    Raises:
        EndedError: The container is gone.
        SandboxError: The call did not end when told to.
    """
    stdout = CappedOutput(stdout_bytes or limits.output_bytes)
    stderr = CappedOutput(limits.output_bytes)
    streams = {frames.STDOUT: stdout, frames.STDERR: stderr}
    deadline_s = time.monotonic() + limits.wall_s
    timed_out = False
    while True:
        frame = container.receive(deadline_s)
        if frame is not None:
            kind, payload = frame
            if kind not in streams:
                return Collected(kind, payload, stdout, stderr, timed_out)
            streams[kind].add(payload)
        if time.monotonic() >= deadline_s:
            if not stops:
                raise SandboxError("the sandbox did not end what it was told to end")
            stop, *stops = stops
            timed_out = True
            container.send(stop.kind)
            deadline_s = time.monotonic() + stop.grace_s
