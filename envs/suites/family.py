"""What a family of environments says of itself, to people and to scripted agents."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reachgym.envs.types import Message


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """A family of environments.

    Attributes:
        id: Its Gymnasium id.
        name: What its tasks' family starts with.
        description: What it asks, in one sentence.
        levels: The values of its `difficulty` argument, with what each asks.
        tools: The tools that its `interface` argument knows, those of its default first.
        oracle: The next turn of an agent that solves it from prompt and tools alone.
        guess: The best answer that prompt-blind guessing gives, from a prompt's form and a
            source of randomness.
        about: For people, in Markdown: what is asked, why the answer cannot be guessed, how
            splits and worlds are kept apart, what counts as evidence, which milestones there are.
    """

    id: str
    name: str
    description: str
    levels: Mapping[int, str]
    tools: tuple[str, ...]
    oracle: Callable[[Sequence[Message]], Message]
    guess: Callable[[str, random.Random], str]
    about: str

    @property
    def difficulties(self) -> tuple[int, ...]:
        """The values of its `difficulty` argument."""
        return tuple(self.levels)
