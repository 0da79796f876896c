"""Calls of functions that hostile text may hang or crash, done by processes beside this one."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from reachgym.envs.errors import SandboxError
from reachgym.envs.types import JSON

# Modules are found without importing the packages above them, which would take a second.
_BOOTSTRAP = """
import importlib, json, sys, types
sys.path[:], packages = json.loads(sys.stdin.buffer.readline())
for name, folder in packages.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
importlib.import_module("reachgym.envs.graders.isolated_server").main()
"""
_ENVS = Path(__file__).resolve().parent.parent
_PACKAGES = {
    "reachgym": str(_ENVS.parent),
    "reachgym.envs": str(_ENVS),
    "reachgym.envs.graders": str(_ENVS / "graders"),
    "reachgym.envs.datasets": str(_ENVS / "datasets"),
}
# More than one on any machine, so that a call without end does not hold up the others.
_MOST_SERVERS = 4


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may use.

    Attributes:
        cpu_s: Seconds of computing; a busy machine does not shorten them.
        wall_s: Seconds altogether.
        memory_bytes: Address space.
    """

    cpu_s: int = 3
    wall_s: float = 60.0
    memory_bytes: int = 2**31


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that gave no value.

    Attributes:
        why: What became of it, for a person.
        raised: The function raised; otherwise it ran into a limit or crashed.
    """

    why: str
    raised: bool


class _Server:
    """One process that answers calls, one after the other."""

    def __init__(self, module: str) -> None:
        # Sets of texts are then walked in the same order by all of them.
        env = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOTSTRAP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            # An interrupt from the keyboard is for this process alone.
            start_new_session=True,
        )
        self._write([sys.path, _PACKAGES])
        self.ask(module)

    def ask(self, request: object) -> dict[str, JSON]:
        """The reply to a request.

        Raises:
            SandboxError: The process is gone.
        """
        self._write(request)
        stdout, stderr = self._process.stdout, self._process.stderr
        line = stdout.readline() if stdout else b""
        if not line:
            words = stderr.read().decode(errors="replace").strip() if stderr else ""
            last = words.rpartition("\n")[2] or "no words"
            raise SandboxError(f"expected a process that checks answers, but it ended: {last}")
        reply: dict[str, JSON] = json.loads(line)
        return reply

    def close(self) -> None:
        """End it."""
        self._process.kill()
        # What could not be written to it is still in the pipe's buffer.
        with contextlib.suppress(BrokenPipeError), self._process:
            pass

    def _write(self, value: object) -> None:
        if self._process.stdin:
            try:
                self._process.stdin.write(json.dumps(value).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                return  # It has ended, and reading tells why.


class Isolated:
    """The functions of one module, each call in a fresh child of a process that imported it.

    A child can harm nothing (see `isolated_server`). Threads call side by side, in up to four
    processes, which start when asked for and end with this one. A fork starts its own.

    Args:
        module: Its full name; it and what it imports from here must need no more than the packages
            `reachgym.envs.graders` and `reachgym.envs.datasets`, which are not initialised. Its
            `warm_up`, if it has one, is called once in each process.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._close)

    def call(
        self, function: str, *arguments: JSON, limits: CallLimits = CallLimits()
    ) -> JSON | Failed:
        """What a function of the module returns.

        Args:
            function: Its name.
            arguments: JSON values.
            limits: What the call may use.

        Raises:
            SandboxError: A process could not be started, or died by itself.
        """
        with self._server() as server:
            reply = server.ask([function, list(arguments), asdict(limits)])
        if "value" in reply:
            return reply["value"]
        raised = "raised" in reply
        return Failed(str(reply["raised"] if raised else reply.get("ended")), raised)

    @contextlib.contextmanager
    def _server(self) -> Iterator[_Server]:
        """A process for one call; one that an exception leaves half-way is not used again."""
        with self._places:
            try:
                server = self._idle.get_nowait()
            except queue.Empty:
                server = _Server(self._module)
            try:
                yield server
            except BaseException:
                server.close()
                raise
            self._idle.put(server)

    def _begin(self) -> None:
        # After a fork the processes are the parent's.
        self._idle: queue.LifoQueue[_Server] = queue.LifoQueue()
        self._places = threading.BoundedSemaphore(_MOST_SERVERS)

    def _close(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()
