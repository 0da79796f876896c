"""Environment families, one file each; importing this registers them with Gymnasium."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gymnasium

from reachgym.envs.errors import ConfigError
from reachgym.envs.types import Message

_ENTRY_POINTS = {
    "reachgym/Lookup-v0": "reachgym.envs.suites.lookup:make_lookup",
    "reachgym/Arithmetic-v0": "reachgym.envs.suites.arithmetic:make_arithmetic",
    "reachgym/Compose-v0": "reachgym.envs.suites.compose:make_compose",
}

for _id, _entry_point in _ENTRY_POINTS.items():
    gymnasium.register(_id, entry_point=_entry_point, order_enforce=False)


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """A family of environments, for people and for scripted agents.

    Attributes:
        id: Its Gymnasium id.
        name: What its tasks' family starts with.
        description: What it asks, in one sentence.
        difficulties: The values of its `difficulty` argument.
        oracle: The next turn of an agent that solves it from prompt and tools alone.
        guess: The best answer that prompt-blind guessing gives, from a prompt's form and a
            source of randomness.
        example: A task and the oracle's way through it, in the terse transcript.
    """

    id: str
    name: str
    description: str
    difficulties: tuple[int, ...]
    oracle: Callable[[Sequence[Message]], Message]
    guess: Callable[[str, random.Random], str]
    example: str


def families() -> tuple[FamilyInfo, ...]:
    """The families that come with reachgym."""
    # Here and not above: registering must not build or import what only some will make.
    from reachgym.envs.suites import arithmetic, compose, lookup

    return (
        FamilyInfo(
            id="reachgym/Lookup-v0",
            name="lookup",
            description="Follow one to three relations from a name to a name that only "
            "searching reveals.",
            difficulties=tuple(lookup.DIFFICULTIES),
            oracle=lookup.oracle,
            guess=lookup.guess,
            example="L:RQ/abcd\n[s:abcd/R]{wxyz}[s:wxyz/Q]{mnop}=mnop;",
        ),
        FamilyInfo(
            id="reachgym/Arithmetic-v0",
            name="arithmetic",
            description="Multiply two numbers of one to three digits, with Python where it is "
            "offered.",
            difficulties=tuple(arithmetic.DIFFICULTIES),
            oracle=arithmetic.oracle,
            guess=arithmetic.guess,
            example="A:345*678\n[p:345*678]{233910}=233910;",
        ),
        FamilyInfo(
            id="reachgym/Compose-v0",
            name="compose",
            description="Apply one to four string operations (reverse, swap ends, rotate, next "
            "letter) in turn.",
            difficulties=tuple(compose.DIFFICULTIES),
            oracle=compose.oracle,
            guess=compose.guess,
            example="C:abcd/rs\n=acbd;",
        ),
    )


def family_of(env_id: str) -> FamilyInfo:
    """The family with a Gymnasium id.

    Raises:
        ConfigError: No family has it.
    """
    _, _, plain_id = env_id.rpartition(":")
    for family in families():
        if family.id == plain_id:
            return family
    known = ", ".join(_ENTRY_POINTS)
    raise ConfigError(f"scripted agents know {known}; got '{env_id}'")
