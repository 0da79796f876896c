"""Questions about the tables, and the entity that each asks for."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from reachgym.envs.suites.data_analysis.schemas import Names
from reachgym.envs.suites.data_analysis.tables import Entity, Fact, Tables, pick

LEVELS: Mapping[int, str] = {
    1: "the row with a key",
    2: "the row of a group with the highest or lowest value",
    3: "two tables joined: the largest or smallest total in a group",
    4: "three tables joined: the largest or smallest total of products, among those with enough "
    "rows of a kind",
    5: "a window over two tables: the largest rise or fall from one day to the next in a group",
}

_AT_LEAST = range(2, 4)
_CANDIDATES = 16


@dataclass(frozen=True, slots=True)
class Question:
    """A question, which the code of one entity answers.

    Attributes:
        level: 1: the entity `key`. 2: by rating. 3: by the total of amounts. 4: by the total of
            amount times price. 5: by the greatest rise, or fall, of amounts from day to day.
        key: The name asked about: an entity (1), a group (2, 3, 5) or a kind (4). None asks about
            all of them.
        most: Whether the largest counts, or the smallest; at level 5, the rise or the fall.
        at_least: Rows of that kind that an entity must have (4).
    """

    level: int
    key: str | None
    most: bool = True
    at_least: int = 0


def well_posed(
    level: int, names: Names, tables: Tables, rng: random.Random
) -> tuple[Question, Entity] | None:
    """A question that these tables answer by one entity; None if none was found.

    Whoever leaves half of the question out finds another entity, or none.
    """
    for _ in range(_CANDIDATES):
        question = _draw(level, names, rng)
        found = entity_asked_for(question, tables)
        if found and all(entity_asked_for(half, tables) != found for half in _halves(question)):
            return question, found
    return None


def _draw(level: int, names: Names, rng: random.Random) -> Question:
    if level == 1:
        return Question(level, pick(names.entities, rng))
    key = pick(names.kinds if level == 4 else names.groups, rng)
    return Question(level, key, rng.random() < 0.5, pick(_AT_LEAST, rng) if level == 4 else 0)


def _halves(question: Question) -> Iterator[Question]:
    if question.level > 1:
        yield replace(question, key=None)
    if question.at_least:
        yield replace(question, at_least=0)


def entity_asked_for(question: Question, tables: Tables) -> Entity | None:
    """The entity whose code is the answer; None where there is none, or a tie."""
    scores = _SCORES[question.level](question, tables)
    if not scores:
        return None
    best = (max if question.most else min)(scores.values())
    winners = [entity for entity in tables.entities if scores.get(entity.name) == best]
    return winners[0] if len(winners) == 1 else None


Scores = Mapping[str, int]


def _by_key(question: Question, tables: Tables) -> Scores:
    return {entity.name: 0 for entity in tables.entities if entity.name == question.key}


def _by_rating(question: Question, tables: Tables) -> Scores:
    return {entity.name: entity.rating for entity in _grouped(question, tables)}


def _by_total(question: Question, tables: Tables) -> Scores:
    facts = _facts_of(tables)
    return {
        entity.name: sum(fact.amount for fact in facts[entity.name])
        for entity in _grouped(question, tables)
    }


def _by_value(question: Question, tables: Tables) -> Scores:
    prices = {item.name: item.price for item in tables.items if question.key in (None, item.kind)}
    values: defaultdict[str, list[int]] = defaultdict(list)
    for fact in tables.facts:
        if fact.item in prices:
            values[fact.entity].append(fact.amount * prices[fact.item])
    return {name: sum(of) for name, of in values.items() if len(of) >= question.at_least}


def _by_change(question: Question, tables: Tables) -> Scores:
    facts = _facts_of(tables)
    extreme = max if question.most else min
    changes = {
        entity.name: extreme(b.amount - a.amount for a, b in pairwise(facts[entity.name]))
        for entity in _grouped(question, tables)
    }
    # Where nothing falls, the least rise is no fall.
    return {name: by for name, by in changes.items() if (by > 0 if question.most else by < 0)}


_SCORES: Mapping[int, Callable[[Question, Tables], Scores]] = {
    1: _by_key,
    2: _by_rating,
    3: _by_total,
    4: _by_value,
    5: _by_change,
}


def _grouped(question: Question, tables: Tables) -> Iterator[Entity]:
    return (entity for entity in tables.entities if question.key in (None, entity.group))


def _facts_of(tables: Tables) -> Mapping[str, list[Fact]]:
    """Facts by entity, from the first day to the last; every entity has two at least."""
    facts: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in sorted(tables.facts, key=lambda fact: fact.day):
        facts[fact.entity].append(fact)
    return facts
