"""One container, seen from the supervisor: its start, its streams, its end."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import struct
import threading
import time
import weakref
from typing import Any, Literal

from docker.types import LogConfig, Ulimit

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox import sizes, wire
from reachgym.envs.sandbox.docker import frames, program
from reachgym.envs.sandbox.docker.engine import Engine, engine_errors
from reachgym.envs.sandbox.docker.owner import owner_labels, remove
from reachgym.envs.sandbox.docker.seccomp_profile import seccomp_profile
from reachgym.envs.sandbox.output import CappedOutput
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.seccomp_filter import compile_filter

Runtime = Literal["runc", "runsc"]

_START_S = 60.0
_WORD_OF_END_S = 5
# As the engine writes it: 128 and the signal.
_SIGKILLED = "137"
_CHUNK_BYTES = 2**18
_LONGEST_FRAME_BYTES = 2**20
_LAST_WORDS_BYTES = 4096
# Of Docker's streams without a terminal: which it is, and how much of it follows.
_STREAM_HEADER = struct.Struct(">BxxxI")
_ERRORS = 2
_CAPABILITIES = ["KILL", "SETGID", "SETPCAP", "SETUID"]
# What gVisor's kernel holds.
_SENTRY_BYTES = 32 * 2**20
# The server, the runtime while it starts, and what counts late.
_SERVER_PROCESSES = 8
# Linux' own numbers, whatever system this runs on.
_RLIMIT_CPU, _RLIMIT_FSIZE, _RLIMIT_CORE, _RLIMIT_NPROC, _RLIMIT_NOFILE, _RLIMIT_AS = (
    0,
    1,
    4,
    6,
    7,
    9,
)
_ALLOW_ALL = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000)


_streams: weakref.WeakSet[socket.socket] = weakref.WeakSet()
_attaching = threading.Lock()


def _let_go() -> None:
    """In a fork of the owner, whose copies would keep containers alive after the owner's end."""
    for stream in _streams:
        stream.close()
    _attaching.release()


# Never forked while a stream is there that is not among the above.
os.register_at_fork(
    before=_attaching.acquire, after_in_parent=_attaching.release, after_in_child=_let_go
)


class EndedError(Exception):
    """The container ended; its text is what its first process said last."""


class Container:
    """A running container and the streams to its first process.

    Attributes:
        container_id: The engine's name for it.
    """

    def __init__(self, engine: Engine, container_id: str, stream: socket.socket) -> None:
        self.container_id = container_id
        self._api = engine.api
        self._stream = stream
        self._started = int(time.time())
        self._raw = bytearray()
        self._frames = frames.FrameBuffer(_LONGEST_FRAME_BYTES)
        self._words = CappedOutput(_LAST_WORDS_BYTES)

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send one frame.

        Raises:
            EndedError: The container is gone.
        """
        self.send_raw(frames.pack(kind, payload))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are; see `send`."""
        self._stream.settimeout(_START_S)
        try:
            self._stream.sendall(data)
        except OSError as error:
            raise EndedError(str(error)) from error

    def receive(self, deadline_s: float) -> tuple[bytes, bytes] | None:
        """The next frame, or nothing if the deadline passes, which may lie in the past.

        Raises:
            EndedError: The container is gone.
        """
        while (frame := self._next()) is None:
            self._stream.settimeout(max(0.0, deadline_s - time.monotonic()))
            try:
                chunk = self._stream.recv(_CHUNK_BYTES)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                raise EndedError(str(error)) from error
            if not chunk:
                raise EndedError(self._words.text().strip())
            self._raw += chunk
            self._unpack()
        return frame

    def ran_out_of_memory(self) -> bool:
        """Whether the container ended because the kernel killed it for memory.

        The engine loses the kernel's word where it comes after the end, so an end by SIGKILL that
        nobody asked the engine for counts as well: nothing else sends one.
        """
        filters = {"container": self.container_id, "event": ["oom", "kill", "die"]}
        until = int(time.time()) + _WORD_OF_END_S
        with (
            engine_errors("tell how a container ended"),
            contextlib.closing(
                self._api.events(since=self._started, until=until, filters=filters, decode=True)
            ) as events,
        ):
            return next(
                (
                    event["Action"] == "oom"
                    or event["Actor"]["Attributes"].get("exitCode") == _SIGKILLED
                    for event in events
                ),
                False,
            )

    def end(self) -> None:
        """End every process and remove the container."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        remove(self._api, self.container_id)

    def _next(self) -> tuple[bytes, bytes] | None:
        try:
            return self._frames.next()
        except ValueError as error:
            raise EndedError(f"it sent {error}") from error

    def _unpack(self) -> None:
        while len(self._raw) >= _STREAM_HEADER.size:
            which, length = _STREAM_HEADER.unpack_from(self._raw)
            end = _STREAM_HEADER.size + length
            if len(self._raw) < end:
                return
            content = bytes(self._raw[_STREAM_HEADER.size : end])
            del self._raw[:end]
            if which == _ERRORS:
                self._words.add(content)
            else:
                self._frames.add(content)


def start(engine: Engine, image: str, limits: SandboxLimits, runtime: Runtime) -> Container:
    """Start a container and its server, which is ready then.

    Raises:
        SandboxError: The engine refused, or the image has no Python that will do.
    """
    with engine_errors("start a container"):
        container_id = _create(engine, image, limits, runtime)
    try:
        _refuse_volumes(engine, container_id, image)
        with engine_errors("start a container"):
            stream = _attach(engine, container_id)
            engine.api.start(container_id)
        container = Container(engine, container_id, stream)
        try:
            container.send_raw(program.program(_orders(engine, limits, runtime)))
            frame = container.receive(time.monotonic() + _START_S)
        except EndedError as error:
            raise SandboxError(
                f"expected an image whose python3 is Python 3.11 or newer, got {image!r}, whose"
                f" first process ended at once: {str(error) or 'killed'}"
            ) from error
        if frame is None or frame[0] != wire.READY:
            raise SandboxError(f"expected a container to be ready within {_START_S:.0f} s")
    except BaseException:
        remove(engine.api, container_id)
        raise
    return container


def _create(engine: Engine, image: str, limits: SandboxLimits, runtime: Runtime) -> str:
    created: dict[str, Any] = engine.api.create_container(
        image,
        program.COMMAND,
        entrypoint=[],
        environment=program.ENVIRONMENT,
        working_dir="/tmp",
        # The server's first act is to become another; see there.
        user="0:0",
        hostname="sandbox",
        labels=owner_labels(),
        stdin_open=True,
        host_config=_host_config(engine, limits, runtime),
        network_disabled=True,
    )
    return str(created["Id"])


def _host_config(engine: Engine, limits: SandboxLimits, runtime: Runtime) -> dict[str, Any]:
    processes = limits.processes + _SERVER_PROCESSES
    memory_bytes = limits.memory_bytes + sizes.SERVER_BYTES
    if runtime == "runsc":
        memory_bytes += _SENTRY_BYTES
    config: dict[str, Any] = engine.api.create_host_config(
        auto_remove=True,
        runtime=runtime,
        network_mode="none",
        ipc_mode="none",
        read_only=True,
        mem_limit=memory_bytes,
        memswap_limit=memory_bytes,
        # The sentry's own threads count as well, and it cannot live without them.
        pids_limit=processes if runtime == "runc" else None,
        cap_drop=["ALL"],
        cap_add=_CAPABILITIES,
        security_opt=["no-new-privileges", f"seccomp={seccomp_profile()}"],
        log_config=LogConfig(type="none"),
        oom_score_adj=500,
        tmpfs={
            "/tmp": _folder(limits.file_bytes, sizes.INODES),
            "/dev/shm": _folder(sizes.SHARED_MEMORY_BYTES, sizes.SHARED_MEMORY_INODES),
        },
        # A host's program that takes cores from a pipe is spared at 1, and not at 0.
        ulimits=[Ulimit(name="core", soft=1, hard=1)],
    )
    return config


def _folder(most_bytes: int, inodes: int) -> str:
    return f"size={most_bytes},nr_inodes={inodes},mode=1777,exec"


def _refuse_volumes(engine: Engine, container_id: str, image: str) -> None:
    """Raise if anything but the folders that are emptied could be written to."""
    with engine_errors("look at a container"):
        mounts = engine.api.inspect_container(container_id)["Mounts"]
    if volumes := [mount["Destination"] for mount in mounts if mount["Type"] != "tmpfs"]:
        raise SandboxError(
            f"expected an image without volumes, whose files would outlive an execution, got"
            f" {image!r} with {', '.join(volumes)}: make one without `VOLUME`"
        )


def _attach(engine: Engine, container_id: str) -> socket.socket:
    parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    with _attaching:
        raw: socket.SocketIO | socket.socket = engine.api.attach_socket(
            container_id, params=parameters
        )
        if isinstance(raw, socket.SocketIO):
            # The library keeps the descriptor in many places; none of them shall hold the stream.
            stream = socket.socket(fileno=os.dup(raw.fileno()))
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), raw.fileno(), inheritable=False)
        else:
            # An encrypted one.
            stream = raw
        _streams.add(stream)
    return stream


def _orders(engine: Engine, limits: SandboxLimits, runtime: Runtime) -> bytes:
    """What the server is to know: resource limits as a JSON line, then the system call filter."""
    rlimits = [
        (_RLIMIT_AS, limits.memory_bytes + sizes.INTERPRETER_ADDRESS_BYTES),
        (_RLIMIT_FSIZE, limits.file_bytes),
        (_RLIMIT_CPU, math.ceil(limits.wall_s * (os.cpu_count() or 1)) + 1),
        (_RLIMIT_NOFILE, sizes.DESCRIPTORS),
        (_RLIMIT_CORE, 1),
    ]
    if runtime == "runsc":
        # gVisor counts this in each sandbox; Linux would count other containers' processes too.
        rlimits.append((_RLIMIT_NPROC, limits.processes + _SERVER_PROCESSES))
    # The engine's profile alone contains runc's code; the filter makes every level refuse alike.
    alike = engine.like_host or runtime == "runsc"
    return json.dumps(rlimits).encode() + b"\n" + (compile_filter() if alike else _ALLOW_ALL)
