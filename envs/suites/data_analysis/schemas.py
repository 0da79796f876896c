"""What the tables are about: words for tables and columns, and the names that stand in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.interface import Text
from reachgym.envs.suites.world import spell
from reachgym.envs.taskset import split_of
from reachgym.envs.types import Split

_TERSE_LETTERS = 4
_SYLLABLES = 3
_CONSONANTS = "bdfghjklmnprstvwz"
_VOWELS = "aeiouäéøü"


@dataclass(frozen=True, slots=True)
class Schema:
    """Three tables: entities with a code, facts about them, and the items that facts name.

    Attributes:
        entities: Table of `entity`, `group`, `rating` and `code`.
        facts: Table of `entity`, `item`, `amount` and `day`; an entity has one fact a day at most.
        items: Table of `item`, `kind` and `price`.
    """

    entities: str
    entity: str
    group: str
    rating: str
    code: str
    facts: str
    amount: str
    day: str
    items: str
    item: str
    kind: str
    price: str

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Columns by table: entities, facts, items."""
        return {
            self.entities: (self.entity, self.group, self.rating, self.code),
            self.facts: (self.entity, self.item, self.amount, self.day),
            self.items: (self.item, self.kind, self.price),
        }


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many names of each role there are; entities and items are dealt evenly."""

    entities: int
    groups: int
    items: int
    kinds: int


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one schema in one world and split."""

    entities: tuple[str, ...]
    groups: tuple[str, ...]
    items: tuple[str, ...]
    kinds: tuple[str, ...]


SCHEMAS: Mapping[Text, tuple[Schema, ...]] = {
    "terse": (Schema("e", "k", "g", "r", "v", "f", "n", "d", "i", "i", "c", "p"),),
    "chat": (
        Schema(
            entities="customers",
            entity="customer",
            group="city",
            rating="score",
            code="code",
            facts="orders",
            amount="quantity",
            day="day",
            items="products",
            item="product",
            kind="category",
            price="price",
        ),
        Schema(
            entities="employees",
            entity="employee",
            group="office",
            rating="salary",
            code="code",
            facts="shifts",
            amount="hours",
            day="day",
            items="projects",
            item="project",
            kind="client",
            price="rate",
        ),
        Schema(
            entities="sensors",
            entity="sensor",
            group="site",
            rating="altitude",
            code="code",
            facts="readings",
            amount="level",
            day="day",
            items="channels",
            item="channel",
            kind="medium",
            price="weight",
        ),
    ),
}
SIZES: Mapping[Text, Sizes] = {
    # As many entities as training needs different names to copy.
    "terse": Sizes(entities=128, groups=16, items=12, kinds=4),
    "chat": Sizes(entities=48, groups=8, items=12, kinds=4),
}


@lru_cache(maxsize=64)
def names_of(world_seed: int, text: Text, entities: str, split: Split) -> Names:
    """The names of the schema with that table of entities.

    A hash of a name says whose split it is, in every world. All tasks of a split share the names,
    so that a query for one task means something in the tables of any other.
    """
    used: set[str] = set()
    sizes = SIZES[text]

    def drawn(role: str, number: int) -> tuple[str, ...]:
        place = (world_seed, text, entities, split, role)
        return tuple(_name(used, text, split, *place, index) for index in range(number))

    return Names(
        drawn("entity", sizes.entities),
        drawn("group", sizes.groups),
        drawn("item", sizes.items),
        drawn("kind", sizes.kinds),
    )


def _name(used: set[str], text: Text, split: Split, *place: str | int) -> str:
    spelt = _spelt if text == "chat" else _terse
    drawn = (spelt(derive_seed("data-analysis", *place, attempt)) for attempt in count())
    name = next(name for name in drawn if name not in used and split_of(name) == split)
    used.add(name)
    return name


def _terse(number: int) -> str:
    return spell(number, _TERSE_LETTERS)


def _spelt(number: int) -> str:
    """A name to be spoken, such as `Tavoré`."""
    text = ""
    for _ in range(_SYLLABLES):
        number, consonant = divmod(number, len(_CONSONANTS))
        number, vowel = divmod(number, len(_VOWELS))
        text += _CONSONANTS[consonant] + _VOWELS[vowel]
    return text.capitalize()
