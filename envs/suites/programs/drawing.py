"""Draws programs by hash: sealed with a word, tried on inputs, equal to none that is simpler."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, count, pairwise, product

from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.programs.inputs import Sampler, pick
from reachgym.envs.suites.programs.steps import (
    Kind,
    Step,
    Type,
    Value,
    compiled,
    function_of,
    source_of,
)
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import split_of
from reachgym.envs.types import Split

WORD_LETTERS = 5
# By `split_of` the splits hold 9,505,121, 1,188,239 and 1,188,016 of the 26**5 words.
FEWEST_WORDS = 1_188_016

_PROBES = 8
_LONGEST_TEXT = 60
_MOST_NUMBERS = 24
_LARGEST_NUMBER = 10**7
_FEWEST_OUTPUTS = 4


@dataclass(frozen=True, eq=False)
class Language:
    """What programs of one form of text are made of.

    Attributes:
        kinds: Steps before the seal.
        seals: Last steps by the type they take; the one choice of each is the word.
        inputs: Draws an argument, by the type that a program takes.
        compared: A program is compared with all that have fewer steps, and no more than this.
    """

    kinds: tuple[Kind, ...]
    seals: Mapping[Type, Sequence[Kind]]
    inputs: Mapping[Type, Sampler]
    compared: int

    @cached_property
    def every(self) -> tuple[Kind, ...]:
        """All kinds, seals included."""
        return (*self.kinds, *chain.from_iterable(self.seals.values()))

    @cached_property
    def taking(self) -> Mapping[Type, tuple[Kind, ...]]:
        """Kinds before the seal, by the type they take."""
        return {t: tuple(kind for kind in self.kinds if kind.takes == t) for t in self.seals}


@dataclass(frozen=True)
class Program:
    """Steps, the last of which is a seal, and what they make of some inputs.

    Attributes:
        takes: The type of the argument.
        steps: What is done to it, in order.
        run: The whole of it, what it may build on included.
        shown: Inputs that may be shown, with outputs.
        hidden: Inputs to judge by, with outputs; none of them is shown.
    """

    takes: Type
    steps: tuple[Step, ...]
    run: Callable[[Value], Value]
    shown: tuple[tuple[Value, Value], ...]
    hidden: tuple[tuple[Value, Value], ...]


def draw_word(split: Split, *place: str | int) -> str:
    """A word of five letters that belongs to the split, uniform over all that do."""
    words = (spell(derive_seed("word", *place, i), WORD_LETTERS) for i in count())
    return next(word for word in words if split_of(word) == split)


def draw_program(
    language: Language,
    depth: int,
    word: str,
    place: Sequence[str | int],
    *,
    shown: int,
    hidden: int,
    base: Program | None = None,
) -> Program:
    """A program of `depth` steps and a seal that follows from `place`.

    No steps in a row can be left out without changing hidden outputs, none of the simpler programs
    that the language compares with does the same, and the hidden outputs differ among themselves.
    The word takes no part in this, so it stays uniform whatever else is known of the program.

    Args:
        language: What it is made of.
        depth: Steps before the seal.
        word: What the seal puts into the output.
        place: What it follows from.
        shown: How many inputs may be shown.
        hidden: How many others to judge by.
        base: A program whose output the steps begin with, where it is given.
    """
    attempts = (random.Random(derive_seed("program", *place, i)) for i in count())
    drawn = (_attempt(language, depth, word, rng, (shown, hidden), base) for rng in attempts)
    return next(program for program in drawn if program is not None)


def _attempt(
    language: Language,
    depth: int,
    word: str,
    rng: random.Random,
    numbers: tuple[int, int],
    base: Program | None,
) -> Program | None:
    """One drawing of a program, if it is good enough."""
    shown, hidden = numbers
    takes = base.takes if base else pick(tuple(language.inputs), rng)
    steps = _chain(language, depth, base.steps[-1].kind.gives if base else takes, rng)
    inputs = _distinct(language.inputs[takes], shown + hidden, rng)
    begun = [base.run(value) if base else value for value in inputs]
    if not no_simpler(language, steps, begun[shown:]):
        return None
    sealed = (*steps, Step(pick(language.seals[steps[-1].kind.gives], rng), (word,)))
    own = compiled(source_of("f", sealed), "f")
    pairs = tuple((value, own(start)) for value, start in zip(inputs, begun, strict=True))
    run = (lambda value: own(base.run(value))) if base else own
    return Program(takes, sealed, run, pairs[:shown], pairs[shown:])


def _chain(language: Language, depth: int, takes: Type, rng: random.Random) -> tuple[Step, ...]:
    """Steps that fit together, no kind twice in a row."""
    steps: list[Step] = []
    for _ in range(depth):
        fitting = language.taking[steps[-1].kind.gives if steps else takes]
        kind = pick([k for k in fitting if not steps or k is not steps[-1].kind], rng)
        steps.append(Step(kind, tuple(str(pick(c, rng)) for c in kind.choices.values())))
    return tuple(steps)


def _distinct(sampler: Sampler, number: int, rng: random.Random) -> list[Value]:
    found: dict[str, Value] = {}
    while len(found) < number:
        value = sampler(rng)
        found[repr(value)] = value
    return list(found.values())


def no_simpler(language: Language, steps: Sequence[Step], inputs: Sequence[Value]) -> bool:
    """Whether outputs are small, differ, and need all of the steps."""
    functions = [function_of(step) for step in steps]
    ways = []
    for value in inputs:
        way = [value]
        for function in functions:
            way.append(function(way[-1]))
            if not _small(way[-1]):
                return False
        ways.append(way)
    outputs = Counter(repr(way[-1]) for way in ways)
    if len(outputs) < _FEWEST_OUTPUTS or max(outputs.values()) > len(inputs) // 2:
        return False
    return not _can_be_left_out(steps, ways) and not _is_known(language, steps)


def _small(value: Value) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    if isinstance(value, int):
        return abs(value) <= _LARGEST_NUMBER
    return len(value) <= _MOST_NUMBERS and all(abs(v) <= _LARGEST_NUMBER for v in value)


def _can_be_left_out(steps: Sequence[Step], ways: Sequence[Sequence[Value]]) -> bool:
    """Whether some steps in a row change no output."""
    return any(
        steps[begin].kind.takes == steps[end - 1].kind.gives
        and all(_run(steps[end:], way[begin]) == way[-1] for way in ways)
        for begin in range(len(steps))
        for end in range(begin + 1, len(steps) + 1)
    )


def _run(steps: Sequence[Step], value: Value) -> Value:
    for step in steps:
        value = function_of(step)(value)
    return value


def _is_known(language: Language, steps: Sequence[Step]) -> bool:
    """Whether fewer steps do the same, as far as the probes tell."""
    takes, gives = steps[0].kind.takes, steps[-1].kind.gives
    probes = _probes(language, takes)
    signature = repr([_run(steps, probe) for probe in probes])
    lengths = range(1, min(len(steps) - 1, language.compared) + 1)
    return any(signature in _signatures(language, takes, gives, length) for length in lengths)


@lru_cache
def _probes(language: Language, takes: Type) -> tuple[Value, ...]:
    rng = random.Random(derive_seed("probes", takes))
    return tuple(_distinct(language.inputs[takes], _PROBES, rng))


@lru_cache
def _signatures(language: Language, takes: Type, gives: Type, length: int) -> frozenset[str]:
    """What the programs of some length make of the probes."""
    probes = _probes(language, takes)
    return frozenset(
        repr([_run(steps, probe) for probe in probes])
        for kinds in product(language.kinds, repeat=length)
        if kinds[0].takes == takes and kinds[-1].gives == gives
        if all(one.gives == next_.takes for one, next_ in pairwise(kinds))
        for steps in product(*(kind.variants() for kind in kinds))
    )
