"""Checks of what an environment is made of: tasks, tools, budgets, gold answers."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Iterator

from gymnasium.utils import env_checker

from reachgym.envs.checking.finding import Check, Found
from reachgym.envs.checking.playing import call_of, calls, contents, named, of_split, played
from reachgym.envs.checking.subject import Subject
from reachgym.envs.datasets.gold import gold_answer
from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef, Oracle, make
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Budget, Message, Split, StopReason, Task

_WRONG_ANSWERS = ("", "I do not know.")
_NO_TOOL = "no_such_tool"
_OTHER_WORLD = 104_729
_MORE_TASKS = 8
# In so many tasks, and in most, an answer does not show by accident.
_LEAKS_BY_RULE = 3
# Whoever declares a smaller chance says that an answer cannot be known from what is shown.
_UNGUESSABLE = 0.01
_IN_OPENING = "open with"
_IN_FILES = "have in their files"
_IN_INFO = "tell in info before the end"


def gymnasium_check(subject: Subject) -> Check:
    """Gymnasium's own checker."""

    def check() -> Found:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            env_checker.check_env(subject.env)
        for warning in caught:
            yield str(warning.message), False

    return check


def tools_check(subject: Subject) -> Check:
    """Tools and their parameters are described."""

    def check() -> Found:
        for spec in subject.env.tool_specs:
            properties = spec.parameters.get("properties")
            if spec.parameters.get("type") != "object" or not isinstance(properties, dict):
                yield f"tool {spec.name}: its parameters are no schema of an object", True
                continue
            if not spec.description:
                yield f"tool {spec.name} has no description", True
            for name, schema in properties.items():
                if not (isinstance(schema, dict) and schema.get("description")):
                    yield f"tool {spec.name}: parameter '{name}' is not described", False

    return check


def determinism_check(subject: Subject) -> Check:
    """Equal seeds and equal indices give equal tasks and openings."""
    env, twin = subject.env, subject.twin

    def check() -> Found:
        for seed in range(subject.tasks):
            first, _ = env.reset(seed=seed)
            again, _ = twin.reset(seed=seed)
            if first != again or env.task != twin.task:
                yield f"seed {seed} gave task '{env.task.id}', then '{twin.task.id}'", True
        for split in SPLITS:
            pairs = zip(
                of_split(env, split, subject.tasks),
                of_split(twin, split, subject.tasks),
                strict=True,
            )
            for one, other in pairs:
                if one != other:
                    yield f"a split's index gave two tasks, '{one.id}' and '{other.id}'", True
        yield from _again(env, subject.posed[0])

    return check


def _again(env: ToolEnv, task: Task) -> Found:
    """Whether an episode goes as it went before: what came between has left nothing."""
    rng = random.Random(3)
    action = calls(*(call_of(spec, rng) for spec in env.tool_specs))
    if not action.tool_calls:
        return
    told = []
    for _ in range(2):
        env.reset(options={"task": task})
        told.append(contents(env.step(action)[0]))
    if told[0] != told[1]:
        yield f"task '{task.id}': the same calls told {told[0]}, then {told[1]}", True


def splits_check(subject: Subject) -> Check:
    """No content in two splits, not across worlds either, and no id twice."""
    count = subject.tasks * _MORE_TASKS

    def check() -> Found:
        by_split = {split: of_split(subject.env, split, count) for split in SPLITS}
        yield from _ids(by_split)
        yield from _shared(by_split, by_split, "")
        elsewhere = _elsewhere(subject.ref)
        if elsewhere is not None:
            other = {split: of_split(elsewhere, split, count) for split in SPLITS}
            elsewhere.close()
            yield from _shared(by_split, other, " of another world")

    return check


def _ids(by_split: dict[Split, list[Task]]) -> Found:
    seen: set[str] = set()
    for tasks in by_split.values():
        for task in tasks:
            if task.id in seen:
                yield f"the id '{task.id}' comes twice", True
            seen.add(task.id)


def _shared(
    one: dict[Split, list[Task]], other: dict[Split, list[Task]], where: str
) -> Iterator[tuple[str, bool]]:
    for split in SPLITS:
        here = {_content(task): task for task in one[split]}
        for against in SPLITS:
            if against == split or (not where and SPLITS.index(against) < SPLITS.index(split)):
                continue
            for task in other[against]:
                if _content(task) in here:
                    found = here[_content(task)]
                    yield (
                        f"{split} task '{found.id}' is {against} task '{task.id}'{where}, too",
                        True,
                    )


def _content(task: Task) -> tuple[object, ...]:
    return task.prompt, tuple(sorted(task.files.items())), task.gold


def _elsewhere(ref: EnvRef) -> ToolEnv | None:
    """The environment in another world, if there are worlds."""
    try:
        return make(EnvRef(ref.id, {**ref.kwargs, "world_seed": _OTHER_WORLD}))
    except InputError:
        return None


def leak_check(subject: Subject) -> Check:
    """The gold answer shows nowhere before it is earned."""

    def check() -> Found:
        told = [(task, *_leaks(subject.env, task)) for task in subject.posed]
        for task, _, surely in told:
            yield from ((f"task '{task.id}': {where}", True) for where in surely)
        # A question may have its answer in it by chance, or by its form: which of these, yes or no.
        for where in dict.fromkeys(where for _, perhaps, _ in told for where in perhaps):
            leaking = [task for task, perhaps, _ in told if where in perhaps]
            is_rule = len(leaking) >= _LEAKS_BY_RULE and 2 * len(leaking) > len(told)
            first = leaking[0]
            yield (
                f"{len(leaking)} of {len(told)} tasks, the first '{first.id}', {where} their gold "
                f"answer ('{first.gold}')",
                is_rule and (where == _IN_INFO or 0 < first.chance < _UNGUESSABLE),
            )

    return check


def _leaks(env: ToolEnv, task: Task) -> tuple[list[str], list[str]]:
    """Where a task's gold answer shows: where it may, for all we know, and where it never may."""
    gold = re.compile(rf"(?<!\w){re.escape(task.gold)}(?!\w)")
    opening, info = env.reset(options={"task": task})
    shown = "".join(message.content for message in opening)
    perhaps = [_IN_OPENING] if gold.search(shown) else []
    if not env.tool_specs and any(gold.search(text) for text in task.files.values()):
        perhaps.append(_IN_FILES)
    names = (_NO_TOOL, *(spec.name for spec in env.tool_specs))
    replies, *_, info_after = env.step(named(*names))
    if gold.search(repr(info)) or gold.search(repr(info_after)):
        perhaps.append(_IN_INFO)
    surely = []
    if any(gold.search(message.content) for message in replies):
        surely.append(f"a call without arguments gave away '{task.gold}'")
    rendered = env.render()
    if isinstance(rendered, str) and gold.search(rendered) and not gold.search(shown):
        surely.append(f"render() shows '{task.gold}'")
    return perhaps, surely


def budget_check(subject: Subject) -> Check:
    """Turns, tool calls and stops from outside end an episode as they should."""
    env, task = subject.env, subject.posed[0]

    def check() -> Found:
        own = env.budget
        cases: list[tuple[Budget, Message, StopReason]] = [
            (Budget(turns=1), named(_NO_TOOL), StopReason.TURNS),
            (Budget(turns=1), Message("assistant", "an answer"), StopReason.ANSWERED),
            (Budget(tool_calls=1), named(_NO_TOOL, _NO_TOOL), StopReason.TOOL_CALLS),
        ]
        for budget, action, expected in cases:
            env.budget = budget
            env.reset(options={"task": task})
            _, _, terminated, truncated, info = env.step(action)
            reason = info["stop_reason"]
            ends = (not expected.truncated, expected.truncated)
            if (reason, terminated, truncated) != (expected, *ends):
                yield (
                    f"under {budget} expected stop reason '{expected}', got '{reason}' with "
                    f"terminated={terminated}, truncated={truncated}",
                    True,
                )
        env.budget = own
        env.reset(options={"task": task})
        if env.stop(StopReason.WALL).passed:
            yield "an episode that was stopped before its first turn passed", True

    return check


def gold_check(subject: Subject) -> Check:
    """The gold answer of every task passes, and wrong answers fail."""

    def check() -> Found:
        for task in subject.posed:
            yield from gold_of_task(subject.env, task, subject.oracle)

    return check


def gold_of_task(env: ToolEnv, task: Task, oracle: Oracle | None) -> Found:
    """Whether one task's gold answer passes, on the oracle's evidence, and wrong ones fail."""
    gold = gold_answer(task)
    if gold is not None:
        _, verdict = played(env, task, oracle, gold)
        if verdict is None:
            yield f"task '{task.id}': the oracle gave no answer within the budget", True
            return
        if verdict.passed and not (verdict.reward or 0) > 0:
            yield (
                f"task '{task.id}': the gold answer passed with a reward of {verdict.reward}; it "
                "must be above 0",
                True,
            )
        if not verdict.passed and (oracle is not None or not verdict.guess):
            yield (
                f"task '{task.id}': the gold answer '{gold}' must pass; the verifier said: "
                f"{verdict.explanation or 'nothing'}",
                True,
            )
    for answer in _WRONG_ANSWERS:
        _, verdict = played(env, task, oracle, answer)
        if verdict is not None and verdict.passed:
            yield f"task '{task.id}': the answer '{answer}' passed; it must fail", True
