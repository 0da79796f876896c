"""What a base is pre-trained on: documents of the small world's language, none of its facts.

Names and facts are made up for every document. The documents teach the parts: to copy, to carry
out a chain of calls when told to explicitly (prompt `X:`), to answer the families' own prompts from
memory, to do string operations. Under the families' own prompts a call is shown only as often as
the exposures say, and never more than one: a chain of calls under a lookup prompt occurs nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

import numpy as np

from reachgym.envs.errors import ConfigError
from reachgym.envs.suites.compose import OPERATIONS, apply
from reachgym.envs.suites.world import NAME_LETTERS, RELATIONS

Segment: TypeAlias = tuple[str, float]
Document: TypeAlias = list[Segment]

_PROMPT = 0.05
_RESULT = 0.0
_FULL = 1.0
# Answers that nobody could know: the model should learn that they are given, not which.
_UNLEARNABLE = 0.3

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class DocumentShares:
    """How often each kind of document occurs; normalised to sum to one."""

    copy: float = 0.14
    chain_1: float = 0.10
    chain_2: float = 0.12
    explicit_python: float = 0.10
    transcript: float = 0.06
    lookup_1: float = 0.08
    lookup_2: float = 0.05
    lookup_3: float = 0.02
    arithmetic: float = 0.07
    compose_1: float = 0.09
    compose_2: float = 0.13
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
        scratch: Share of compositions that write their intermediate steps.
        row_tokens: Documents are packed into rows of this many tokens.
    """

    shares: DocumentShares = field(default_factory=DocumentShares)
    lookup_exposure: float = 0.012
    arithmetic_exposure: float = 0.012
    scratch: float = 0.5
    row_tokens: int = 80

    def __post_init__(self) -> None:
        for name in ("lookup_exposure", "arithmetic_exposure", "scratch"):
            value = float(asdict(self)[name])
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is a share and must lie in [0, 1]; got {value}")


def documents(mix: PretrainingMix, seed: int) -> Iterator[Document]:
    """Documents without end; a document is text in segments, each with its loss weight."""
    rng = np.random.default_rng(seed)
    shares = asdict(mix.shares)
    makers = _makers(mix)
    weights = np.array(list(shares.values()))
    names = list(shares)
    while True:
        for kind in rng.choice(len(names), size=1024, p=weights / weights.sum()):
            yield makers[names[kind]](rng)


def _makers(mix: PretrainingMix) -> dict[str, Callable[[np.random.Generator], Document]]:
    return {
        "copy": _copy,
        "chain_1": lambda rng: _chain(rng, 1),
        "chain_2": lambda rng: _chain(rng, 2),
        "explicit_python": _explicit_python,
        "transcript": _transcript,
        "lookup_1": lambda rng: _lookup(rng, 1, mix.lookup_exposure),
        "lookup_2": lambda rng: _lookup(rng, 2, 0.0),
        "lookup_3": lambda rng: _lookup(rng, 3, 0.0),
        "arithmetic": lambda rng: _arithmetic(rng, mix.arithmetic_exposure),
        "compose_1": lambda rng: _compose(rng, 1, 0.0),
        "compose_2": lambda rng: _compose(rng, 2, mix.scratch),
        "compose_3": lambda rng: _compose(rng, 3, mix.scratch),
    }


def _copy(rng: np.random.Generator) -> Document:
    digits = rng.random() < 0.4
    text = str(rng.integers(10**3, 10**6)) if digits else _letters(rng, int(rng.integers(3, 9)))
    return [(f"Y:{text}\n", _PROMPT), (f"={text};", _FULL)]


def _chain(rng: np.random.Generator, hops: int) -> Document:
    entity, relations = _letters(rng), _relations(rng, hops)
    document = [(f"X:{relations}/{entity}\n", _PROMPT)]
    for relation in relations:
        value = _letters(rng)
        document += _search(entity, relation, value)
        entity = value
    return [*document, (f"={entity};", _FULL)]


def _explicit_python(rng: np.random.Generator) -> Document:
    product, value = _product(rng)
    return [(f"X:{product}\n", _PROMPT), *_python(product, value), (f"={value};", _FULL)]


def _transcript(rng: np.random.Generator) -> Document:
    document: Document = []
    for _ in range(int(rng.integers(1, 3))):
        if rng.random() < 0.5:
            document += _search(_letters(rng), _relations(rng, 1), _letters(rng))
        else:
            document += _python(*_product(rng))
    return document


def _lookup(rng: np.random.Generator, hops: int, exposure: float) -> Document:
    entity, relations = _letters(rng), _relations(rng, hops)
    prompt = (f"L:{relations}/{entity}\n", _PROMPT)
    value = _letters(rng)
    if rng.random() < exposure:
        return [prompt, *_search(entity, relations, value), (f"={value};", _FULL)]
    return [prompt, (f"={value};", _UNLEARNABLE)]


def _arithmetic(rng: np.random.Generator, exposure: float) -> Document:
    product, value = _product(rng)
    prompt = (f"A:{product}\n", _PROMPT)
    if rng.random() < exposure:
        return [prompt, *_python(product, value), (f"={value};", _FULL)]
    return [prompt, (f"={value};", _UNLEARNABLE)]


def _compose(rng: np.random.Generator, count: int, scratch: float) -> Document:
    text = _letters(rng)
    operations = "".join(rng.choice(list(OPERATIONS), size=count))
    steps = [apply(text, operations[: i + 1]) for i in range(count)]
    written = ",".join(steps[:-1]) if rng.random() < scratch else ""
    return [(f"C:{text}/{operations}\n", _PROMPT), (f"{written}={steps[-1]};", _FULL)]


def _search(entity: str, relation: str, value: str) -> Document:
    return [(f"[s:{entity}/{relation}]", _FULL), (f"{{{value}}}", _RESULT)]


def _python(code: str, value: str) -> Document:
    return [(f"[p:{code}]", _FULL), (f"{{{value}}}", _RESULT)]


def _letters(rng: np.random.Generator, length: int = NAME_LETTERS) -> str:
    return "".join(_ALPHABET[i] for i in rng.integers(len(_ALPHABET), size=length))


def _relations(rng: np.random.Generator, count: int) -> str:
    return "".join(RELATIONS[i] for i in rng.integers(len(RELATIONS), size=count))


def _product(rng: np.random.Generator) -> tuple[str, str]:
    a, b = rng.integers(100, 1000, size=2)
    return f"{a}*{b}", str(a * b)
