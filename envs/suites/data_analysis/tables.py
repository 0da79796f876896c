"""The rows of a task's tables, and the files that hold them."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.data_analysis.schemas import Names, Schema
from reachgym.envs.suites.world import spell

CODE_LETTERS = 5
DUMP = "data.sql"

_RATINGS = range(100, 1000)
_FACTS = range(2, 6)
_AMOUNTS = range(1, 100)
_DAYS = range(1, 366)
_PRICES = range(1, 21)

ItemT = TypeVar("ItemT")


class Entity(NamedTuple):
    """A row with a code, which is what questions ask for."""

    name: str
    group: str
    rating: int
    code: str


class Fact(NamedTuple):
    """A row about an entity and an item."""

    entity: str
    item: str
    amount: int
    day: int


class Item(NamedTuple):
    """A row that facts refer to."""

    name: str
    kind: str
    price: int


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of one schema, in no order that says anything."""

    entities: tuple[Entity, ...]
    facts: tuple[Fact, ...]
    items: tuple[Item, ...]


def draw_tables(names: Names, *place: str | int) -> Tables:
    """Rows that follow from `place`.

    Codes come from a source of their own: they are uniform over all texts of their length and
    independent of one another and of every other value.
    """
    rng = random.Random(derive_seed("data-analysis", *place, "rows"))
    codes = random.Random(derive_seed("data-analysis", *place, "codes"))
    groups = dict(
        zip(_mixed(names.entities, rng), names.groups * len(names.entities), strict=False)
    )
    kinds = dict(zip(_mixed(names.items, rng), names.kinds * len(names.items), strict=False))
    entities = [
        Entity(name, groups[name], pick(_RATINGS, rng), spell(codes.getrandbits(63), CODE_LETTERS))
        for name in _mixed(names.entities, rng)
    ]
    facts = [fact for name in names.entities for fact in _facts(name, names.items, rng)]
    items = [Item(name, kinds[name], pick(_PRICES, rng)) for name in _mixed(names.items, rng)]
    return Tables(tuple(entities), tuple(_mixed(facts, rng)), tuple(items))


def pick(choices: Sequence[ItemT], rng: random.Random) -> ItemT:
    """One of the choices; unlike `rng.choice` the same in every version of Python."""
    return choices[int(rng.random() * len(choices))]


def files_of(tables: Mapping[Schema, Tables], shown: int) -> dict[str, str]:
    """A CSV file for each of the first `shown` tables of every schema, and all as SQL."""
    files: dict[str, str] = {}
    dump: list[str] = []
    for schema, drawn in tables.items():
        every: tuple[Sequence[Sequence[str | int]], ...] = (
            drawn.entities,
            drawn.facts,
            drawn.items,
        )
        named = list(schema.columns().items())[:shown]
        for (name, columns), rows in zip(named, every, strict=False):
            files[f"{name}.csv"] = _csv(columns, rows)
            dump.append(_sql(name, columns, rows))
    return {**files, DUMP: "\n".join(dump)}


def _facts(entity: str, items: Sequence[str], rng: random.Random) -> Iterable[Fact]:
    days: set[int] = set()
    number = pick(_FACTS, rng)
    while len(days) < number:
        days.add(pick(_DAYS, rng))
    return [Fact(entity, pick(items, rng), pick(_AMOUNTS, rng), day) for day in sorted(days)]


def _mixed(rows: Sequence[ItemT], rng: random.Random) -> list[ItemT]:
    keys = [rng.random() for _ in rows]
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([columns, *rows])
    return written.getvalue()


def _sql(name: str, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    """Statements that make the table; names and values hold no quotes."""
    types = ["TEXT" if isinstance(value, str) else "INTEGER" for value in rows[0]]
    declared = ", ".join(f"{c} {t}" for c, t in zip(columns, types, strict=True))
    values = ",\n".join(f"({', '.join(map(_literal, row))})" for row in rows)
    return f"CREATE TABLE {name} ({declared});\nINSERT INTO {name} VALUES\n{values};\n"


def _literal(value: str | int) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
