"""Checks of how episodes go: any text, from any moment, milestones, blind guessing."""

from __future__ import annotations

import random
from math import comb

from reachgym.envs.checking.finding import Check, Found
from reachgym.envs.checking.playing import call_of, calls, contents, of_split, played
from reachgym.envs.checking.subject import Subject
from reachgym.envs.registration import oracle_of
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import SPLITS, Message, Task

_TEXTS = ("é漢🙂\u202e", "\x00\x1b[2J", "\ud800", "a" * 100_000)
_BLIND_TASKS = 16
# A true chance is called understated once in so many checks.
_SURELY = 1e-4
_UNDECLARED = 0.05


def unicode_check(subject: Subject) -> Check:
    """Tools and verifier take any text."""

    def check() -> Found:
        env, task, rng = subject.env, subject.posed[0], random.Random(0)
        for text in _TEXTS:
            shown = ascii(text[:20])
            env.reset(options={"task": task})
            for spec in env.tool_specs:
                try:
                    env.reset(options={"task": task})
                    env.step(calls(call_of(spec, rng, text)))
                except Exception as error:
                    yield f"tool {spec.name} raised {type(error).__name__} at {shown}", True
            try:
                env.reset(options={"task": task})
                passed = env.step(Message("assistant", text))[-1]["verdict"].passed
            except Exception as error:
                yield f"the verifier raised {type(error).__name__} at the answer {shown}", True
            else:
                if passed:
                    yield f"the answer {shown} passed; it must fail", True

    return check


def snapshot_check(subject: Subject) -> Check:
    """An episode that is gone on with from a snapshot goes on the same each time."""

    def check() -> Found:
        env, rng = subject.env, random.Random(1)
        if env.budget.turns is not None and env.budget.turns < 3:
            return
        for task in subject.posed[:2]:
            actions = [calls(call_of(spec, rng)) for spec in env.tool_specs]
            env.reset(options={"task": task})
            snapshot = env.snapshot()
            try:
                for action in actions:
                    told = []
                    for _ in range(2):
                        env.restore(snapshot)
                        told.append([contents(env.step(action)[0]) for _ in range(2)])
                    if told[0] != told[1]:
                        name = action.tool_calls[0].name
                        yield (
                            f"task '{task.id}': from one snapshot {name} told {told[0]}, then "
                            f"{told[1]}",
                            True,
                        )
            finally:
                snapshot.close()

    return check


def milestones_check(subject: Subject) -> Check:
    """Milestones stay reached, and a success has reached them all."""

    def check() -> Found:
        for task in subject.posed[:3]:
            known = len(subject.env.milestones(task))
            if not known or subject.oracle is None:
                continue
            infos, verdict = played(subject.env, task, subject.oracle)
            reached = [info["milestones"] for info in infos]
            if reached != sorted(reached):
                yield f"task '{task.id}': milestones were lost again, counts were {reached}", True
            if verdict is not None and verdict.passed and reached[-1] != known:
                yield (
                    f"task '{task.id}' passed with {reached[-1]} of {known} milestones reached: "
                    "they are not necessary",
                    True,
                )

    return check


def oracle_check(subject: Subject) -> Check:
    """The oracle that the environment was registered with solves its tasks by itself."""

    def check() -> Found:
        oracle = oracle_of(subject.ref.id)
        for task in subject.posed if oracle is not None else ():
            _, verdict = played(subject.env, task, oracle)
            if verdict is None or not verdict.passed:
                why = "it gave no answer" if verdict is None else verdict.explanation or "no reason"
                yield f"task '{task.id}': the oracle did not solve it ({why})", True

    return check


def chance_check(subject: Subject) -> Check:
    """Blind answers, and random calls before them, succeed no more often than chance says."""

    def check() -> Found:
        env, rng = subject.env, random.Random(2)
        tasks = [task for split in SPLITS for task in of_split(env, split, _BLIND_TASKS)]
        chance = max(task.chance for task in tasks)
        blind = sum(
            _passes(env, task, _other_gold(tasks, index), None) for index, task in enumerate(tasks)
        )
        called = sum(_passes(env, task, "", rng) for task in tasks)
        for what, passed in (("another task's answer", blind), ("random calls", called)):
            if passed and _tail(len(tasks), passed, chance) < _SURELY:
                yield (
                    f"{passed} of {len(tasks)} tasks passed by {what}, and the declared chance is "
                    f"{chance:.3g}",
                    # Where none was declared, many must pass for it to be more than a form.
                    _tail(len(tasks), passed, max(chance, _UNDECLARED)) < _SURELY,
                )

    return check


def _other_gold(tasks: list[Task], index: int) -> str:
    other = next(
        (t for t in tasks[index + 1 :] + tasks[:index] if t.prompt != tasks[index].prompt), None
    )
    return "17" if other is None else other.gold


def _passes(env: ToolEnv, task: Task, answer: str, rng: random.Random | None) -> bool:
    """Whether an answer passes; with a source of randomness after a call of every tool."""
    env.reset(options={"task": task})
    if rng is not None and env.tool_specs:
        made = [call_of(spec, rng) for spec in env.tool_specs]
        replies, _, terminated, truncated, _ = env.step(calls(*made))
        if terminated or truncated:
            return False
        answer = rng.choice(contents(replies))
    return bool(env.step(Message("assistant", answer))[-1]["verdict"].passed)


def _tail(n: int, k: int, p: float) -> float:
    """Probability of k or more successes of n at probability p each."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
