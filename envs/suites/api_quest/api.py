"""The made-up APIs of a world: their paths, fields and issued words, all drawn by hash."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from reachgym.envs.errors import TaskError
from reachgym.envs.seeding import derive_seed
from reachgym.envs.suites.world import spell
from reachgym.envs.types import Task

TOPICS = 32
WORD_LETTERS = 5

# Short enough for a terse call of 32 characters with a path, a word in it and a field.
_PATH_LETTERS = 4
_FIELD_LETTERS = 2


@dataclass(frozen=True, slots=True)
class Api:
    """What the endpoints of one topic are called.

    Attributes:
        paths: One for every documented endpoint, each with its leading slash.
        name: The field that takes the subject.
        given: The field of the word that the first call of several issues: a token or an id.
        setting: The field that is modified.
        value: What it has to be set to.
        lock: The field that tells who holds a conflicting lock.
        cursor: The field of the next page's cursor.
        secret: The field of the secret.
    """

    paths: tuple[str, ...]
    name: str
    given: str
    setting: str
    value: str
    lock: str
    cursor: str
    secret: str


@dataclass(frozen=True, slots=True)
class Quest:
    """What the server knows of one task.

    Attributes:
        level: Which calls are necessary.
        api: The endpoints.
        subject: Whom the secret belongs to.
        issued: The token or id that the first call gives.
        holder: Who holds the lock that conflicts.
        cursor: Where the second page begins.
        secret: What is asked for.
    """

    level: int
    api: Api
    subject: str
    issued: str
    holder: str
    cursor: str
    secret: str


@lru_cache(maxsize=64)
def topics(world_seed: int) -> tuple[str, ...]:
    """The topics of a world, all different."""
    return _distinct(TOPICS, WORD_LETTERS, "topic", world_seed)


@lru_cache(maxsize=1024)
def api_of(world_seed: int, level: int, topic: str) -> Api:
    """The API of a topic."""
    place = (world_seed, level, topic)
    paths = _distinct(level, _PATH_LETTERS, "path", *place)
    fields = _distinct(6, _FIELD_LETTERS, "field", *place)
    name, given, setting, lock, cursor, secret = fields
    value = spell(derive_seed("api-quest", "value", *place), WORD_LETTERS)
    return Api(
        tuple(f"/{path}" for path in paths), name, given, setting, value, lock, cursor, secret
    )


def quest_for(world_seed: int, level: int, topic: str, subject: str) -> Quest:
    """What the server knows of a subject under a topic; its words tell nothing of one another."""
    place = (world_seed, level, topic, subject)
    issued, holder, cursor, secret = (
        spell(derive_seed("api-quest", role, *place), WORD_LETTERS)
        for role in ("issued", "holder", "cursor", "secret")
    )
    api = api_of(world_seed, level, topic)
    return Quest(level, api, subject, issued, holder, cursor, secret)


def quest_in(task: Task) -> Quest:
    """What the server knows of a task.

    Raises:
        TaskError: The task is none of this family.
    """
    told = [task.metadata.get(key) for key in ("world_seed", "level", "topic", "subject")]
    match told:
        case [int(world_seed), int(level), str(topic), str(subject)]:
            return quest_for(world_seed, level, topic, subject)
    raise TaskError(
        f"task '{task.id}' is no quest: expected metadata 'world_seed', 'level', 'topic' and "
        f"'subject', got {sorted(task.metadata)}; pose tasks of reachgym/ApiQuest-v0"
    )


def _distinct(number: int, letters: int, *place: str | int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for attempt in count():
        if len(found) == number:
            break
        found[spell(derive_seed("api-quest", *place, attempt), letters)] = None
    return tuple(found)
