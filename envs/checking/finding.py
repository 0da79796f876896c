"""What a check found, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

# What is wrong, and whether it surely is.
Found: TypeAlias = Iterator[tuple[str, bool]]
Check: TypeAlias = Callable[[], Found]

MENDS: Mapping[str, str] = {
    "gymnasium": "do what Gymnasium's checker asks for; leave `reset` and `step` to ToolEnv",
    "determinism": "draw everything from the seed, by reachgym.envs.seeding.derive_seed, and order "
    "no set",
    "gold": "mend the gold answer or the verifier; give an oracle where evidence is asked for",
    "oracle": "let it solve every task from prompt and tools alone, or drop the task",
    "chance": "declare in Task(chance=...) what blind guessing reaches, or make the secret longer",
    "leak": "keep the gold answer out of prompt, files, errors, info and tools that were not asked "
    "for it",
    "splits": "let a hash of the content decide the split (reachgym.envs.taskset.split_of), and "
    "number the ids",
    "budget": "leave budgets to ToolEnv: set `env.budget`, and override neither `step` nor `stop`",
    "unicode": "take any text in tools and verifier; raise ToolError for what makes no sense",
    "vector": "make the environment from its id and JSON arguments alone",
    "snapshot": "keep what tools remember in `workspace.state`, not in variables of their own",
    "milestones": "name only what every success passes, in order, and what stays once reached",
    "tools": "write a docstring with an `Args:` section; the agent reads it",
    "closing": "close in the workspace's `at_end` what a tool opens",
    "process": "register at import, in a module that every process can import",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found.

    Attributes:
        check: Which one; a name out of `MENDS`.
        message: What was expected and what came.
        error: False where it may be as it should be, and a person has to judge.
    """

    check: str
    message: str
    error: bool = True

    @property
    def mend(self) -> str:
        """What to do about it."""
        return MENDS[self.check]
