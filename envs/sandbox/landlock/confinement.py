"""Where code of the landlock level runs, and what it gives up before."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

from reachgym.envs.sandbox import execution, kernel
from reachgym.envs.sandbox.landlock import descent, ruleset
from reachgym.envs.sandbox.landlock.user_threads import ProcessLimit

_KILLED_FIRST = "1000"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a zygote runs code.

    Attributes:
        abi: Version of Landlock's interface.
        work: The folder that code may write to.
        path: Where code's programs are looked for.
        rules: Access rights to files and folders of the host.
        user: Who code runs as.
        guard: The process whose end is the zygote's.
    """

    abi: int
    work: str
    path: str
    rules: list[tuple[int, str]]
    user: int
    guard: int


@dataclass(frozen=True, slots=True)
class Confinement(execution.Setup):
    """As for every level, and what this one needs besides.

    Attributes:
        second_program: A further system call filter, for what Landlock leaves open.
        work: The folder that code may write to.
        path: Where programs are looked for.
        ruleset: The Landlock rules, as a descriptor.
        process_limit: On what one execution may run.
    """

    second_program: bytes
    work: str
    path: str
    ruleset: int
    process_limit: ProcessLimit

    def prepare(self) -> None:
        """Nothing: the folder was made with the sandbox, and is emptied after each execution."""

    def lock_down(self) -> None:
        """Go to the working directory and give up every power, for good."""
        os.chdir(self.work)
        os.setsid()
        os.environ.clear()
        os.environ.update(execution.ENVIRONMENT | {"HOME": self.work, "PATH": self.path})
        processes = (resource.RLIMIT_NPROC, self.process_limit.value())
        for number, value in (*self.rlimits, processes):
            resource.setrlimit(number, (value, value))
        kernel.set_capabilities()
        kernel.forbid_new_privileges()
        # Its files are counted by whoever may look at what it holds open.
        kernel.set_readable(True)
        with open("/proc/self/oom_score_adj", "r+") as file:
            file.write(_KILLED_FIRST)
        ruleset.enter(self.ruleset)
        kernel.lock_down(self.seccomp_program)
        kernel.lock_down(self.second_program)

    def kill_all(self) -> None:
        """Kill and bury every process of the session but the calling one."""
        descent.end()
