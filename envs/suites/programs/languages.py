"""The two languages of programs: English steps of all types, and letters for short expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reachgym.envs.errors import TaskError
from reachgym.envs.suites.programs import inputs
from reachgym.envs.suites.programs.catalogue import KINDS, SEALS
from reachgym.envs.suites.programs.drawing import Language
from reachgym.envs.suites.programs.steps import Kind, Step, expression_of

ENGLISH = Language(
    KINDS,
    SEALS,
    {"text": inputs.word, "number": inputs.number, "numbers": inputs.numbers},
    compared=1,
)

# A letter for each: what it does, and how without brackets, which end a call in the terse syntax.
_LETTERS = {
    "d": ("Write it twice", "x * 2"),
    "t": ("Write it three times", "x * 3"),
    "u": ("Make its letters capital", "x.upper()"),
    "l": ("Make its letters small", "x.lower()"),
    "w": ("Swap small and capital letters", "x.swapcase()"),
    "c": ("Make its first letter capital and the others small", "x.capitalize()"),
    "r": ("Reverse it", "''.join(reversed(x))"),
    "s": ("Sort its characters", "''.join(sorted(x))"),
    "n": ("Take its length", "str(len(x))"),
    "a": ("Take its least character", "min(x)"),
    "z": ("Take its greatest character", "max(x)"),
    "p": ("Fill it up with zeros in front to nine characters", "x.zfill(9)"),
    "m": ("Fill it up with dashes behind to nine characters", "x.ljust(9,'-')"),
}
_ENDS = {"+": ("Put {w} behind it", "x + '{w}'"), "-": ("Put {w} in front of it", "'{w}' + x")}

SHORT = Language(
    tuple(
        Kind(letter, "text", "text", sentence, f"x = {code.replace(' ', '')}")
        for letter, (sentence, code) in _LETTERS.items()
    ),
    {
        "text": tuple(
            Kind(sign, "text", "text", sentence, f"x = {code.replace(' ', '')}", {"w": ()})
            for sign, (sentence, code) in _ENDS.items()
        )
    },
    {"text": inputs.short_word},
    compared=3,
)

_LONGEST_SINGLE = 24
_LONGEST = 64
_SPELT = re.compile(r"([a-z]+)([-+])([a-z]+)")
_KIND_OF = {kind.name: kind for kind in SHORT.every}


def fits(steps: Sequence[Step]) -> bool:
    """Whether steps of the short language make an expression that a small model can answer with.

    One step is written in as many characters as constrained decoding allows.
    """
    return len(expression_of(steps)) <= (_LONGEST_SINGLE if len(steps) == 2 else _LONGEST)


def spell_steps(steps: Sequence[Step]) -> str:
    """Steps of the short language by their letters, and the word behind the seal's sign."""
    return "".join(step.kind.name + "".join(step.values) for step in steps)


def read_steps(spelt: str) -> tuple[Step, ...]:
    """The steps that `spell_steps` wrote.

    Raises:
        TaskError: It did not write this.
    """
    match = _SPELT.fullmatch(spelt)
    if match is None or not set(match[1]) <= _KIND_OF.keys():
        raise TaskError(f"expected letters of steps, a sign and a word, got {spelt!r}")
    return (*(Step(_KIND_OF[letter]) for letter in match[1]), Step(_KIND_OF[match[2]], (match[3],)))


def told_letters() -> str:
    """What the letters stand for, for people."""
    told = [
        f"`{letter}` {sentence[0].lower()}{sentence[1:]}"
        for letter, (sentence, _) in _LETTERS.items()
    ]
    return f"The letters: {'; '.join(told)}."
