"""A fictional world: facts that follow from a seed and from nothing else.

The world is a forest. Each start entity has one fact for every relation; the fact's value is a
fresh name, which has facts itself, down to `DEPTH`. All names are drawn by hash from all strings of
their length, so no fact tells anything about another: a policy that has not looked a value up can
only guess, however many other facts it knows.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from reachgym.envs.errors import TaskError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document, Hit, SearchIndex
from reachgym.envs.retrieval.shared import search_index
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import split_of
from reachgym.envs.types import Split

RELATIONS = "PQR"
DEPTH = 3
NAME_LETTERS = 5
STARTS: dict[Split, int] = {"train": 128, "validation": 32, "held_out": 64}

_LETTERS = string.ascii_lowercase


@dataclass(frozen=True, slots=True)
class World:
    """The facts of one world.

    Attributes:
        seed: What they follow from.
        letters: Length of names.
        starts: Start entities by split; the splits share none.
        facts: Value by (entity, relation).
    """

    seed: int
    letters: int
    starts: dict[Split, tuple[str, ...]]
    facts: dict[tuple[str, str], str]

    @property
    def chance(self) -> float:
        """Probability of guessing a value: names are distinct, and else uniform."""
        names = len(self.facts) + sum(len(entities) for entities in self.starts.values())
        return float(1 / (len(_LETTERS) ** self.letters - names))

    def follow(self, entity: str, relations: Sequence[str]) -> list[str]:
        """The names that a chain of relations passes through, the last one included."""
        passed = []
        for relation in relations:
            entity = self.facts[entity, relation]
            passed.append(entity)
        return passed

    def documents(self) -> Iterator[Document]:
        """One document a fact: its question is the title, its value the text."""
        for (entity, relation), value in self.facts.items():
            yield Document(f"{entity}/{relation}", f"{entity} {relation}", value)

    def shuffled_texts(self) -> dict[str, str]:
        """By document id a text that is another document's, in cycles drawn by hash.

        A cycle runs through one depth of one split: what is found has facts of its own wherever
        the true value has, and searches from one split's names still show none of another's.
        """
        texts: dict[str, str] = {}
        for entities in self.starts.values():
            level = list(entities)
            for _ in range(DEPTH):
                facts = [(entity, relation) for entity in level for relation in RELATIONS]
                level = [self.facts[fact] for fact in facts]
                cycle = sorted(facts, key=lambda fact: derive_seed("shuffled", self.seed, *fact))
                for (entity, relation), other in zip(cycle, cycle[1:] + cycle[:1], strict=True):
                    texts[f"{entity}/{relation}"] = self.facts[other]
        return texts


@dataclass(frozen=True, slots=True)
class ShuffledIndex:
    """Finds what an index finds, with the same scores, and shows other texts for it.

    Attributes:
        index: What finds.
        texts: What is shown, by document id.
    """

    index: SearchIndex
    texts: Mapping[str, str]

    def search(self, query: str, k: int) -> list[Hit]:
        """The index's hits under their new texts."""
        return [replace(hit, text=self.texts[hit.doc_id]) for hit in self.index.search(query, k)]


@lru_cache(maxsize=8)
def world(seed: int, letters: int = NAME_LETTERS) -> World:
    """The world of a seed; built once a process.

    Raises:
        TaskError: Names of so few letters cannot all be distinct.
    """
    starts_total = sum(STARTS.values())
    names_total = starts_total * sum(len(RELATIONS) ** depth for depth in range(DEPTH + 1))
    if len(_LETTERS) ** letters <= names_total:
        raise TaskError(
            f"a world needs {names_total} distinct names and more to draw from; {letters} letters "
            f"give {len(_LETTERS) ** letters}, use at least 3"
        )
    used: set[str] = set()
    starts: dict[Split, tuple[str, ...]] = {}
    for split, count in STARTS.items():
        starts[split] = tuple(_start(used, letters, seed, split, index) for index in range(count))
    facts: dict[tuple[str, str], str] = {}
    level = [entity for entities in starts.values() for entity in entities]
    for _ in range(DEPTH):
        below = []
        for entity in level:
            for relation in RELATIONS:
                value = _name(used, letters, seed, entity, relation)
                facts[entity, relation] = value
                below.append(value)
        level = below
    return World(seed, letters, starts, facts)


@lru_cache(maxsize=8)
def world_index(seed: int, letters: int = NAME_LETTERS) -> BM25Index:
    """The documents of a world, indexed; built once a process."""
    return search_index(world(seed, letters).documents())


@lru_cache(maxsize=8)
def shuffled_index(seed: int, letters: int = NAME_LETTERS) -> ShuffledIndex:
    """The index of a world in which every document shows another one's text."""
    return ShuffledIndex(world_index(seed, letters), world(seed, letters).shuffled_texts())


def spell(number: int, letters: int) -> str:
    """A text of lowercase letters; uniform to within 26**letters / 2**63 over 63-bit numbers."""
    text = ""
    for _ in range(letters):
        number, index = divmod(number, len(_LETTERS))
        text += _LETTERS[index]
    return text


def _start(used: set[str], letters: int, seed: int, split: Split, index: int) -> str:
    """A name that belongs to its split in every world, so that no two worlds share it across."""
    attempt = 0
    while True:
        name = _name(used, letters, seed, split, index, attempt)
        if split_of(name) == split:
            return name
        used.remove(name)
        attempt += 1


def _name(used: set[str], letters: int, seed: int, *parts: str | int) -> str:
    """A name not used before; a collision draws again."""
    attempt = 0
    while True:
        name = spell(derive_seed("world", seed, letters, attempt, *parts), letters)
        if name not in used:
            used.add(name)
            return name
        attempt += 1
