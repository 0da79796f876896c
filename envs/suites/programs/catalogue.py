"""The kinds of steps that programs told in English are made of, and the seals that end them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reachgym.envs.suites.programs.numbers import LIST_KINDS, NUMBER_KINDS
from reachgym.envs.suites.programs.steps import Kind, Type
from reachgym.envs.suites.programs.texts import TEXT_KINDS

KINDS: tuple[Kind, ...] = (*TEXT_KINDS, *LIST_KINDS, *NUMBER_KINDS)

# A seal puts a word into what is returned, so that nothing but the word's letters makes it right.
SEALS: Mapping[Type, Sequence[Kind]] = {
    "text": (
        Kind("behind", "text", "text", "Put `{w}` behind it.", 'x = x + "{w}"', {"w": ()}),
        Kind("before", "text", "text", "Put `{w}` in front of it.", 'x = "{w}" + x', {"w": ()}),
    ),
    "number": (
        Kind(
            "written",
            "number",
            "text",
            "Write it in decimal digits, and `{w}` behind them.",
            'x = str(x) + "{w}"',
            {"w": ()},
        ),
    ),
    "numbers": (
        Kind(
            "listed",
            "numbers",
            "text",
            "Write `{w}`, and behind it the numbers in decimal digits, with a comma before each.",
            'x = "{w}" + "".join(["," + str(v) for v in x])',
            {"w": ()},
        ),
    ),
}
