"""Checks an environment for what training and measuring on it rely on."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from gymnasium.utils import env_checker

from reachgym.envs.errors import TaskError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Budget, Message, StopReason, Task, ToolCall, Verdict

Oracle: TypeAlias = Callable[[Sequence[Message]], Message]
Findings: TypeAlias = Iterator[tuple[str, bool]]

_WRONG_ANSWERS = ("", "I do not know.")
_MOST_ORACLE_TURNS = 100
_NO_TOOL = "no_such_tool"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found.

    Attributes:
        check: Which one: `gymnasium`, `determinism`, `leak`, `budget` or `gold`.
        message: What was expected and what came.
        error: False where it may be as it should be, and a person has to judge.
    """

    check: str
    message: str
    error: bool = True


def check_env(ref: EnvRef | str, *, oracle: Oracle | None = None, tasks: int = 4) -> list[Finding]:
    """Run every check on an environment; an empty list means that nothing was found.

    Args:
        ref: The environment.
        oracle: The next turn of an agent that gathers the evidence that a right answer needs.
            Without it the gold answer is given at once, and may then count as a guess.
        tasks: How many tasks of every split to look at, from the first on.

    Raises:
        InputError: There is no such environment.
        TaskError: It has no tasks.
    """
    env, twin = make(ref), make(ref)
    posed = _pose(env, tasks)
    checks: list[tuple[str, Callable[[], Findings]]] = [
        ("gymnasium", partial(_check_gymnasium, env)),
        ("determinism", partial(_check_determinism, env, twin, tasks)),
        ("leak", partial(_check_leak, env, posed)),
        ("budget", partial(_check_budget, env, posed[0])),
        *(("gold", partial(_check_gold, env, task, oracle)) for task in posed),
    ]
    findings = [finding for name, check in checks for finding in _run(name, check)]
    env.close()
    twin.close()
    return findings


def check_gold(env: ToolEnv, tasks: Sequence[Task], oracle: Oracle | None = None) -> list[Finding]:
    """Whether each task's gold answer passes, on the oracle's evidence, and wrong ones fail.

    Raises:
        InfrastructureError: A tool or the verifier failed by itself.
    """
    return [
        Finding("gold", message, error)
        for task in tasks
        for message, error in _check_gold(env, task, oracle)
    ]


def _pose(env: ToolEnv, tasks: int) -> list[Task]:
    posed: list[Task] = []
    for split in SPLITS:
        size = env.taskset.size(split)
        count = tasks if size is None else min(tasks, size)
        posed += [env.taskset.task(split, index) for index in range(count)]
    if not posed:
        raise TaskError(f"{env.taskset.name} has no tasks in any split, so nothing can be checked")
    return posed


def _run(name: str, check: Callable[[], Findings]) -> Iterator[Finding]:
    """A check's findings; what the environment raises is one of them."""
    try:
        for message, error in check():
            yield Finding(name, message, error)
    except Exception as error:
        yield Finding(name, f"raised {type(error).__name__}: {error}")


def _check_gymnasium(env: ToolEnv) -> Findings:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        env_checker.check_env(env)
    for warning in caught:
        yield str(warning.message), False


def _check_determinism(env: ToolEnv, twin: ToolEnv, seeds: int) -> Findings:
    for seed in range(seeds):
        first, _ = env.reset(seed=seed)
        again, _ = twin.reset(seed=seed)
        if first != again or env.task != twin.task:
            yield f"seed {seed} gave task '{env.task.id}', then '{twin.task.id}'", True
    for one, other in zip(_pose(env, seeds), _pose(twin, seeds), strict=True):
        if one != other:
            yield f"a split's index gave two tasks, '{one.id}' and '{other.id}'", True


def _check_leak(env: ToolEnv, tasks: Sequence[Task]) -> Findings:
    for task in tasks:
        gold = re.compile(rf"(?<!\w){re.escape(task.gold)}(?!\w)")
        opening, info = env.reset(options={"task": task})
        if any(gold.search(message.content) for message in opening):
            yield f"task '{task.id}' opens with its gold answer '{task.gold}' in the text", False
        names = (_NO_TOOL, *(spec.name for spec in env.tool_specs))
        replies, *_, info_after = env.step(_calls(*names))
        if any(gold.search(message.content) for message in replies):
            yield f"task '{task.id}': a call without arguments gave away '{task.gold}'", True
        if gold.search(repr(info)) or gold.search(repr(info_after)):
            yield f"task '{task.id}': info tells '{task.gold}' before the end", False


def _check_budget(env: ToolEnv, task: Task) -> Findings:
    own = env.budget
    cases: list[tuple[Budget, Message, StopReason]] = [
        (Budget(turns=1), _calls(_NO_TOOL), StopReason.TURNS),
        (Budget(turns=1), Message("assistant", "an answer"), StopReason.ANSWERED),
        (Budget(tool_calls=1), _calls(_NO_TOOL, _NO_TOOL), StopReason.TOOL_CALLS),
    ]
    for budget, action, expected in cases:
        env.budget = budget
        env.reset(options={"task": task})
        _, _, terminated, truncated, info = env.step(action)
        reason = info["stop_reason"]
        if (reason, terminated, truncated) != (
            expected,
            not expected.truncated,
            expected.truncated,
        ):
            yield (
                f"under {budget} expected stop reason '{expected}', got '{reason}' with "
                f"terminated={terminated}, truncated={truncated}",
                True,
            )
    env.budget = own


def _check_gold(env: ToolEnv, task: Task, oracle: Oracle | None) -> Findings:
    verdict = _play(env, task, task.gold, oracle)
    if verdict is None:
        yield f"task '{task.id}': the oracle gave no answer within the budget", True
        return
    if not verdict.passed and (oracle is not None or not verdict.guess):
        yield (
            f"task '{task.id}': the gold answer '{task.gold}' must pass; the verifier said: "
            f"{verdict.explanation or 'nothing'}",
            True,
        )
    for answer in _WRONG_ANSWERS:
        verdict = _play(env, task, answer, oracle)
        if verdict is not None and verdict.passed:
            yield f"task '{task.id}': the answer '{answer}' passed; it must fail", True


def _play(env: ToolEnv, task: Task, answer: str, oracle: Oracle | None) -> Verdict | None:
    """The verdict on `answer`, given once the oracle would answer; None if it never would."""
    opening, _ = env.reset(options={"task": task})
    messages = list(opening)
    for _ in range(_MOST_ORACLE_TURNS):
        action = Message("assistant") if oracle is None else oracle(messages)
        if not action.tool_calls:
            info = env.step(Message("assistant", answer))[-1]
            verdict: Verdict = info["verdict"]
            return verdict
        replies, _, _, truncated, _ = env.step(action)
        if truncated:
            return None
        messages += [action, *replies]
    return None


def _calls(*names: str) -> Message:
    calls = tuple(ToolCall(f"call_{index}", name) for index, name in enumerate(names))
    return Message("assistant", tool_calls=calls)
