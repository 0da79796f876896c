"""A peer's Python tool in a process of its own, behind limits that keep its failures in.

It runs as an unprivileged user and in a control group: what a tool does not contain must not reach
this machine.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from sandbox_attacks import ENVIRONMENT_NAME, SECRET
from sandbox_peer_tools import Peer

from reachgym.envs.sandbox import cgroup

# A user of nobody else: what is not contained may kill and trace all processes of its user.
STRANGER = 64321
# What a tool may take beyond its own deadline, and what an answer may weigh.
LATE_S = 8.0
LONGEST_ANSWER = 2**20
OUTER_BYTES, OUTER_PROCESSES = 1500 * 2**20, 300
_DRIVER = """
import json, sys
{make}
for line in sys.stdin:
    try: answer = run(json.loads(line))
    except BaseException as error: answer = f"{{type(error).__name__}}: {{error}}"
    print(json.dumps(str(answer)), flush=True)
"""

_serials = itertools.count()


class Driver:
    """A peer's tool in a process of its own, started anew when it does not answer."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self._peer, self._folder = peer, folder
        self._group: cgroup.Group | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, code: str) -> str | None:
        process = self._process or self._start()
        if process.stdin is None or process.stdout is None:
            raise SystemExit("expected pipes to the driver")
        try:
            process.stdin.write(json.dumps(code).encode() + b"\n")
            process.stdin.flush()
            return self._answer(process.stdout.fileno())
        except OSError:
            return None

    def helped(self) -> bool:
        """Whether a limit of the outer group was met; then all is started anew."""
        group = self._group
        met = group is not None and (group.ran_out_of_memory() or _forks_refused(group))
        if met or self._process is None or self._process.poll() is not None:
            self.end()
        return met

    def end(self) -> None:
        if self._group is not None:
            _kill_all(self._group)
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._group is not None:
            self._group.remove()
            shutil.rmtree(self._work, ignore_errors=True)
        self._process = self._group = None

    def _start(self) -> subprocess.Popen[bytes]:
        self._group = cgroup.create(
            f"peer-{os.getpid()}-{next(_serials)}", OUTER_BYTES, OUTER_PROCESSES
        )
        bounded = any((folder / "pids.max").exists() for folder in self._group.folders)
        if not (self._group.memory and bounded):
            raise SystemExit("expected control groups for memory and processes; run as root")
        self._work = tempfile.mkdtemp(prefix="peer-", dir="/var/tmp")
        os.chown(self._work, STRANGER, STRANGER)
        self._process = subprocess.Popen(
            [str(self._folder / "bin/python"), "-c", _DRIVER.format(make=self._peer.make)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            start_new_session=True,
            cwd=self._work,
            env={
                "PATH": f"{self._folder / 'bin'}:/usr/bin:/bin",
                "HOME": self._work,
                ENVIRONMENT_NAME: SECRET,
            },
        )
        self._group.add(self._process.pid)
        return self._process

    def _answer(self, fd: int) -> str | None:
        """The answer, or none where it is late or longer than any should be."""
        deadline_s = time.monotonic() + self._peer.deadline_s + LATE_S
        taken = bytearray()
        while not taken.endswith(b"\n"):
            wait_s = max(0.0, deadline_s - time.monotonic())
            ready, _, _ = select.select([fd], [], [], wait_s)
            chunk = os.read(fd, 2**16) if ready else b""
            taken += chunk
            if not chunk or len(taken) > LONGEST_ANSWER:
                self.end()
                return None
        return str(json.loads(taken))


def _kill_all(group: cgroup.Group) -> None:
    """Kill every member; none can fork meanwhile."""
    for folder in group.folders:
        most = folder / "pids.max"
        if most.exists():
            most.write_text("0")
    for folder in group.folders:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _forks_refused(group: cgroup.Group) -> bool:
    for folder in group.folders:
        events = folder / "pids.events"
        if events.exists() and events.read_text().split()[-1] != "0":
            return True
    return False
