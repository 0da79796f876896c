"""The sandbox that all of one process shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from reachgym.envs.errors import SandboxError
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
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    try:
        stdout = shared_sandbox().exec("print(1)").stdout
    except SandboxError:
        stdout = shared_sandbox().exec("print(1)").stdout
    assert stdout == "1\n"
