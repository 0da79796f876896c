"""Which sandbox levels this machine gives, found out by using each."""

from __future__ import annotations

import time
from dataclasses import dataclass

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.levels import Level, open_level
from reachgym.envs.sandbox.protocol import SandboxLimits, Session

_CALLS = 20


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one level.

    Attributes:
        level: Which.
        why_not: Why there is none, and what to do; empty where there is one.
        start_s: Seconds until it was there; it may have been warm.
        exec_s: Seconds of one small execution, the median of some.
        session: Whether it has sessions with a shell.
    """

    level: Level
    why_not: str = ""
    start_s: float = 0.0
    exec_s: float = 0.0
    session: bool = False

    @property
    def works(self) -> bool:
        """Whether this machine gives it."""
        return not self.why_not


def probe(level: Level, image: str | None = None) -> Probe:
    """Try one level: open it, run code, and run a command in a session."""
    started_s = time.monotonic()
    try:
        with open_level(level, SandboxLimits(), image) as sandbox:
            start_s = time.monotonic() - started_s
            exec_s = sorted(sandbox.exec("print(1)").seconds for _ in range(_CALLS))[_CALLS // 2]
            with sandbox.open_session() as session:
                session.run("1")
                return Probe(level, "", start_s, exec_s, _has_shell(session))
    except SandboxError as error:
        return Probe(level, str(error))


def _has_shell(session: Session) -> bool:
    try:
        return session.shell("true").exit_code == 0
    except SandboxError:
        return False
