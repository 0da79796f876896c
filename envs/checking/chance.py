"""Blind guessing succeeds no more often than the declared chance allows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from reachgym.envs.checking.actions import random_calls, random_text
from reachgym.envs.checking.findings import Notes
from reachgym.envs.checking.odds import SIGNIFICANCE, tail
from reachgym.envs.checking.subject import Subject, answering, play
from reachgym.envs.registration import Oracle
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import Message, Task

Player: TypeAlias = Callable[[Task, random.Random], Oracle]

_FEWEST_ATTEMPTS = 24
_CALLS = 2


def check_chance(subject: Subject, notes: Notes) -> None:
    """Each blind player's passes are as few as the declared chances let expect.

    A player fails the check if as many passes as it had, or more, would come about with a
    probability below `SIGNIFICANCE`, were every task passed with its declared chance.
    """
    rounds = -(-_FEWEST_ATTEMPTS // len(subject.tasks))
    tasks = subject.tasks * rounds
    chances = [task.chance for task in tasks]
    told = []
    for name, player in _players(subject):
        passes = 0
        for number, task in enumerate(tasks):
            rng = random.Random(derive_seed("chance", name, task.id, number))
            verdict = play(subject.env, task, player(task, rng)).verdict
            passes += verdict is not None and bool(verdict.passed)
        told.append(f"{name} {passes}")
        odds = tail(chances, passes)
        if odds < SIGNIFICANCE:
            mean = sum(chances) / len(chances)
            notes.error(
                f"{name}: {passes} of {len(tasks)} attempts passed; at the declared chance, "
                f"{mean:.3g} on average, so many have a probability of {odds:.1g}",
                f"declare Task(chance=...) no lower than what guessing reaches, here about "
                f"{passes / len(tasks):.2g}, or make the answer harder to guess",
            )
    notes.looked_at = f"passes of blind players in {len(tasks)} attempts each: {', '.join(told)}"


def _players(subject: Subject) -> Iterator[tuple[str, Player]]:
    golds = [task.gold for task in subject.tasks]
    yield "the gold of any task", lambda task, rng: answering(rng.choice(golds))
    yield "random calls and texts", lambda task, rng: _random(subject, rng)
    guess = subject.guess
    if guess is not None:
        yield "the family's guess", lambda task, rng: answering(guess(task.prompt, rng))


def _random(subject: Subject, rng: random.Random) -> Oracle:
    specs = subject.env.tool_specs

    def act(messages: Sequence[Message]) -> Message:
        taken = sum(message.role == "assistant" for message in messages)
        if not specs or taken == _CALLS:
            return Message("assistant", random_text(rng))
        return random_calls(specs, rng)

    return act
