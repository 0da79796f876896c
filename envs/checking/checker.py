"""Runs the checks on an environment, each by itself, so that one that breaks keeps none back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import gymnasium

from reachgym.envs.checking import checks, episodes, processes
from reachgym.envs.checking.finding import Check, Finding
from reachgym.envs.checking.playing import posed
from reachgym.envs.checking.subject import Subject
from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef, Oracle, make, oracle_of
from reachgym.envs.suites import family_of
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import Task

CHECKS: Mapping[str, Callable[[Subject], Check]] = {
    "gymnasium": checks.gymnasium_check,
    "tools": checks.tools_check,
    "determinism": checks.determinism_check,
    "splits": checks.splits_check,
    "leak": checks.leak_check,
    "budget": checks.budget_check,
    "unicode": episodes.unicode_check,
    "snapshot": episodes.snapshot_check,
    "milestones": episodes.milestones_check,
    "gold": checks.gold_check,
    "oracle": episodes.oracle_check,
    "chance": episodes.chance_check,
    "vector": processes.vector_check,
    "closing": processes.closing_check,
    "process": processes.process_check,
}


def check_env(ref: EnvRef | str, *, oracle: Oracle | None = None, tasks: int = 4) -> list[Finding]:
    """Run every check on an environment; an empty list means that nothing was found.

    Args:
        ref: The environment.
        oracle: The next turn of an agent that gathers the evidence that a right answer needs; by
            default the family's, or the one that the environment was registered with. Without any
            the gold answer is given at once, and may then count as a guess.
        tasks: How many tasks of every split to look at, from the first on.

    Raises:
        InputError: There is no such environment.
        TaskError: It has no tasks.
    """
    reference = EnvRef(ref) if isinstance(ref, str) else ref
    env, twin = make(reference), make(reference)
    known = oracle or known_oracle(reference.id)
    subject = Subject(reference, env, twin, tuple(posed(env, tasks)), tasks, known)
    try:
        return [
            Finding(name, message, error)
            for name, check in CHECKS.items()
            for message, error in _run(check(subject))
        ]
    finally:
        env.close()
        twin.close()


def check_gold(env: ToolEnv, tasks: Sequence[Task], oracle: Oracle | None = None) -> list[Finding]:
    """Whether each task's gold answer passes, on the oracle's evidence, and wrong ones fail.

    Raises:
        InfrastructureError: A tool or the verifier failed by itself.
    """
    return [
        Finding("gold", message, error)
        for task in tasks
        for message, error in checks.gold_of_task(env, task, oracle)
    ]


def known_oracle(env_id: str) -> Oracle | None:
    """The oracle that an environment has, None if it has none.

    Raises:
        InputError: There is no such environment.
    """
    try:
        return oracle_of(env_id) or family_of(env_id).oracle
    except ConfigError:
        return None


def _run(check: Check) -> Iterator[tuple[str, bool]]:
    """What a check finds; what the environment raises is a finding, too."""
    try:
        yield from check()
    except (Exception, gymnasium.error.Error) as error:
        yield f"raised {type(error).__name__}: {error}", True
