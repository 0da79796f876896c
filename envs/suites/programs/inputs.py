"""Draws the arguments on which programs are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from string import ascii_letters
from typing import TypeAlias, TypeVar

from reachgym.envs.suites.programs.steps import Value
from reachgym.envs.suites.programs.texts import LETTERS

Sampler: TypeAlias = Callable[[random.Random], Value]

ItemT = TypeVar("ItemT")

# Few letters of both cases, so that sorting, case and repetition all show.
_MIXED = "".join(letter for letter in ascii_letters if letter.lower() in "abcd")


def pick(choices: Sequence[ItemT], rng: random.Random) -> ItemT:
    """One of the choices; unlike `rng.choice` the same in every version of Python."""
    return choices[int(rng.random() * len(choices))]


def word(rng: random.Random) -> Value:
    """From 4 to 10 of the letters that sets are made of."""
    return "".join(pick(LETTERS, rng) for _ in range(4 + int(rng.random() * 7)))


def short_word(rng: random.Random) -> Value:
    """From 2 to 5 letters of both cases."""
    return "".join(pick(_MIXED, rng) for _ in range(2 + int(rng.random() * 4)))


def number(rng: random.Random) -> Value:
    """From 0 to 999."""
    return int(rng.random() * 1000)


def numbers(rng: random.Random) -> Value:
    """From 3 to 8 numbers from 0 to 19."""
    return [int(rng.random() * 20) for _ in range(3 + int(rng.random() * 6))]
