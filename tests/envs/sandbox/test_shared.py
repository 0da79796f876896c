"""The sandbox that all of one process shares."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reachgym.envs.sandbox.shared import shared_sandbox


def test_a_process_has_one() -> None:
    assert shared_sandbox() is shared_sandbox()
    assert shared_sandbox().exec("print(1)").stdout == "1\n"


def test_a_fork_gets_its_own() -> None:
    parents = shared_sandbox()
    pid = os.fork()
    if pid == 0:
        childs = shared_sandbox()
        fine = childs is not parents and childs.exec("print(2)").stdout == "2\n"
        childs.close()
        os._exit(17 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    assert parents.exec("print(1)").stdout == "1\n"


def test_it_is_restarted_after_its_death(descendants: Callable[[int], list[int]]) -> None:
    shared_sandbox().exec("print(1)")
    killed = descendants(os.getpid())
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline_s = time.monotonic() + 10
    while any(map(_lives, killed)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert shared_sandbox().exec("print(1)").stdout == "1\n"


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
