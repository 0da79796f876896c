"""What a base is pre-trained on: documents of the small world's language, none of its facts.

Names and facts are made up for every document. The documents teach the parts: to copy, to carry
out a chain of calls when told to explicitly (prompt `X:`, or another head that no family has), to
answer the families' own prompts from memory, to do string operations. Under the families' own
prompts a call is shown only as often as the exposures say, and never more than one: a chain of
calls under a lookup prompt occurs nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from string import ascii_lowercase
from typing import TypeAlias

import numpy as np

from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.compose import OPERATIONS, TEXT_LETTERS, apply
from reachgym.envs.suites.world import NAME_LETTERS, RELATIONS

Segment: TypeAlias = tuple[str, float]
Document: TypeAlias = list[Segment]

_PROMPT = 0.05
_RESULT = 0.0
_FULL = 1.0
# Answers that nobody could know: the model should learn that they are given, not which.
_UNLEARNABLE = 0.3

_OPERATION_NAMES = "".join(OPERATIONS)
_BUFFERED = 2**14
_SHARES = (
    "lookup_exposure",
    "arithmetic_exposure",
    "other_heads",
    "follow_through",
    "scratch",
)
# Heads of explicit prompts besides `X`: capitals that mean nothing else.
_OTHER_HEADS = "DEFGHIJKMNOSTUVWZ"


@dataclass(frozen=True, slots=True)
class DocumentShares:
    """How often each kind of document occurs; normalised to sum to one."""

    copy: float = 0.13
    chain_1: float = 0.09
    chain_2: float = 0.14
    explicit_python: float = 0.10
    transcript: float = 0.05
    lookup_1: float = 0.08
    lookup_2: float = 0.14
    lookup_3: float = 0.03
    arithmetic: float = 0.07
    compose_1: float = 0.10
    compose_2: float = 0.17
    compose_3: float = 0.04

    def __post_init__(self) -> None:
        values = list(asdict(self).values())
        if min(values) < 0 or sum(values) <= 0:
            raise ConfigError(f"document shares must be 0 or more and not all 0; got {values}")


@dataclass(frozen=True, slots=True)
class PretrainingMix:
    """The mixture of documents.

    Attributes:
        shares: How often each kind occurs.
        lookup_exposure: Share of one-hop lookup documents shown with the tool.
        arithmetic_exposure: Share of arithmetic documents shown with the tool.
        other_heads: Share of explicit chains whose prompt has another head than `X`. What is
            shown under many heads becomes a habit of none in particular.
        follow_through: Share of those that are carried out to the end; the others stop after the
            first result, and a habit of going on that rarely wins is what they leave behind.
        scratch: Share of compositions that write their intermediate steps.
        row_tokens: Documents are packed into rows of this many tokens.
    """

    shares: DocumentShares = field(default_factory=DocumentShares)
    lookup_exposure: float = 0.032
    arithmetic_exposure: float = 0.035
    other_heads: float = 0.6
    follow_through: float = 0.045
    scratch: float = 0.7
    row_tokens: int = 80

    def __post_init__(self) -> None:
        for name in _SHARES:
            value = float(asdict(self)[name])
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is a share and must lie in [0, 1]; got {value}")


class _Draws:
    """Random letters, numbers and events, drawn by the thousand because one by one is slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._uniforms: Iterator[float] = iter(())
        self._letters = ""
        self._used = 0

    def uniform(self) -> float:
        """A number in [0, 1)."""
        for value in self._uniforms:
            return value
        self._uniforms = iter(self._rng.random(_BUFFERED).tolist())
        return next(self._uniforms)

    def below(self, bound: int) -> int:
        """A number out of 0 to `bound` - 1."""
        return int(self.uniform() * bound)

    def text(self, alphabet: str, length: int) -> str:
        """Characters of an alphabet, each drawn independently."""
        return "".join([alphabet[self.below(len(alphabet))] for _ in range(length)])

    def name(self, length: int = NAME_LETTERS) -> str:
        """Lowercase letters."""
        if self._used + length > len(self._letters):
            self._letters = self._spell(_BUFFERED)
            self._used = 0
        self._used += length
        return self._letters[self._used - length : self._used]

    def _spell(self, length: int) -> str:
        codes = self._rng.integers(len(ascii_lowercase), size=length, dtype=np.uint8)
        return (codes + np.uint8(ord("a"))).tobytes().decode("ascii")


def documents(mix: PretrainingMix, seed: int) -> Iterator[Document]:
    """Documents without end; a document is text in segments, each with its loss weight.

    The text is what the terse renderer writes for an episode, without the `<bos>` in front.
    """
    rng = np.random.default_rng(seed)
    draws = _Draws(rng)
    shares = asdict(mix.shares)
    makers = _makers(mix)
    weights = np.array(list(shares.values()))
    names = list(shares)
    while True:
        for kind in rng.choice(len(names), size=1024, p=weights / weights.sum()):
            yield makers[names[kind]](draws)


def _makers(mix: PretrainingMix) -> dict[str, Callable[[_Draws], Document]]:
    return {
        "copy": _copy,
        "chain_1": lambda draws: _chain(draws, 1, mix),
        "chain_2": lambda draws: _chain(draws, 2, mix),
        "explicit_python": _explicit_python,
        "transcript": _transcript,
        "lookup_1": lambda draws: _lookup(draws, 1, mix.lookup_exposure),
        "lookup_2": lambda draws: _lookup(draws, 2, 0.0),
        "lookup_3": lambda draws: _lookup(draws, 3, 0.0),
        "arithmetic": lambda draws: _arithmetic(draws, mix.arithmetic_exposure),
        "compose_1": lambda draws: _compose(draws, 1, 0.0),
        "compose_2": lambda draws: _compose(draws, 2, mix.scratch),
        "compose_3": lambda draws: _compose(draws, 3, mix.scratch),
    }


def _copy(draws: _Draws) -> Document:
    # Texts of one length are copied by their position, and names in a chain then not at all.
    digits = draws.uniform() < 0.4
    text = str(10**3 + draws.below(10**6 - 10**3)) if digits else draws.name(3 + draws.below(6))
    return [(f"Y:{text}\n", _PROMPT), (f"={text};", _FULL)]


def _chain(draws: _Draws, hops: int, mix: PretrainingMix) -> Document:
    head, followed = "X", hops
    if draws.uniform() < mix.other_heads:
        head = draws.text(_OTHER_HEADS, 1)
        followed = hops if draws.uniform() < mix.follow_through else 1
    entity, relations = draws.name(), draws.text(RELATIONS, hops)
    document = [(f"{head}:{relations}/{entity}\n", _PROMPT)]
    for relation in relations[:followed]:
        value = draws.name()
        document += _search(entity, relation, value)
        entity = value
    return [*document, (f"={entity};", _FULL)]


def _explicit_python(draws: _Draws) -> Document:
    product, value = _product(draws)
    return [(f"X:{product}\n", _PROMPT), *_python(product, value), (f"={value};", _FULL)]


def _transcript(draws: _Draws) -> Document:
    document: Document = []
    for _ in range(1 + draws.below(2)):
        if draws.uniform() < 0.5:
            document += _search(draws.name(), draws.text(RELATIONS, 1), draws.name())
        else:
            document += _python(*_product(draws))
    return document


def _lookup(draws: _Draws, hops: int, exposure: float) -> Document:
    entity, relations, value = draws.name(), draws.text(RELATIONS, hops), draws.name()
    prompt = (f"L:{relations}/{entity}\n", _PROMPT)
    if draws.uniform() < exposure:
        return [prompt, *_search(entity, relations, value), (f"={value};", _FULL)]
    # That an answer comes at once is learnable, and must be learnt well where no call is shown.
    start = _FULL if hops > 1 else _UNLEARNABLE
    return [prompt, ("=", start), (f"{value};", _UNLEARNABLE)]


def _arithmetic(draws: _Draws, exposure: float) -> Document:
    product, value = _product(draws)
    prompt = (f"A:{product}\n", _PROMPT)
    if draws.uniform() < exposure:
        return [prompt, *_python(product, value), (f"={value};", _FULL)]
    return [prompt, (f"={value};", _UNLEARNABLE)]


def _compose(draws: _Draws, count: int, scratch: float) -> Document:
    text, operations = draws.name(TEXT_LETTERS), draws.text(_OPERATION_NAMES, count)
    steps = [apply(text, operations[: i + 1]) for i in range(count)]
    written = ",".join(steps[:-1]) if draws.uniform() < scratch else ""
    return [(f"C:{text}/{operations}\n", _PROMPT), (f"{written}={steps[-1]};", _FULL)]


def _search(entity: str, relation: str, value: str) -> Document:
    return [(f"[s:{entity}/{relation}]", _FULL), (f"{{{value}}}", _RESULT)]


def _python(code: str, value: str) -> Document:
    return [(f"[p:{code}]", _FULL), (f"{{{value}}}", _RESULT)]


def _product(draws: _Draws) -> tuple[str, str]:
    first, second = 100 + draws.below(900), 100 + draws.below(900)
    return f"{first}*{second}", str(first * second)
