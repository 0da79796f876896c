"""The API's logic: what a request is answered, and what it changes; no HTTP in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from reachgym.envs.suites.api_quest.api import Quest
from reachgym.envs.types import JSON

Fields: TypeAlias = Mapping[str, JSON]
Flags: TypeAlias = dict[str, JSON]
Reply: TypeAlias = tuple[int, dict[str, JSON], Flags]

# What a success passes at each level, in this order; the server keeps them as flags.
STAGES: Mapping[int, tuple[str, ...]] = {
    1: (),
    2: ("token obtained",),
    3: ("created", "modified"),
    4: ("created", "conflict met", "conflict resolved", "modified", "page obtained"),
}
EARNED = "secret told"

_ERRORS = {
    400: "bad request",
    401: "unauthorized",
    404: "not found",
    405: "method not allowed",
    409: "conflict",
    422: "unprocessable",
}


def respond(quest: Quest, state: Flags, method: str, path: str, query: Fields, body: JSON) -> Reply:
    """Answer one request.

    Args:
        quest: What the server knows of the task.
        state: The stages reached so far, as flags; not changed.
        method: The HTTP method.
        path: The path without its query.
        query: The query's parameters.
        body: The body's JSON, None where there was none.

    Returns:
        Status, body and the new state.
    """
    head, word = _parted(path)
    if head not in quest.api.paths:
        return _refused(404, state)
    step = quest.api.paths.index(head) + 1
    reads = step == quest.level
    if method != ("GET" if reads else "POST"):
        return _refused(405, state)
    misplaced = body is not None if reads else bool(query)
    if misplaced:
        return _refused(400, state)
    return _read(quest, state, word, query) if reads else _posted(quest, state, step, word, body)


def _posted(quest: Quest, state: Flags, step: int, word: str, body: JSON) -> Reply:
    if step == 1:
        return _refused(404, state) if word else _opened(quest, state, body)
    if step == 2:
        return _modified(quest, state, word, body)
    return _released(quest, state, word, body)


def _parted(path: str) -> tuple[str, str]:
    """The endpoint's path, and the word after it."""
    head, slash, word = path[1:].partition("/")
    # A slash with nothing behind it is no endpoint.
    return ("", "") if slash and not word else (f"/{head}", word)


def _refused(status: int, state: Flags) -> Reply:
    return status, {"error": _ERRORS[status]}, state


def _fields_fault(body: JSON, expected: str) -> int | None:
    """The status for a body that is no object of one field of text."""
    if not isinstance(body, dict):
        return 400
    return None if list(body) == [expected] and isinstance(body[expected], str) else 422


def _opened(quest: Quest, state: Flags, body: JSON) -> Reply:
    """A token or an id for the subject."""
    fault = _fields_fault(body, quest.api.name)
    if fault is not None or not isinstance(body, dict):
        return _refused(fault or 400, state)
    if body[quest.api.name] != quest.subject:
        return _refused(404, state)
    first = STAGES[quest.level][0]
    status = 200 if first in state else 201
    return status, {quest.api.given: quest.issued}, {**state, first: True}


def _modified(quest: Quest, state: Flags, word: str, body: JSON) -> Reply:
    if "created" not in state or word != quest.issued:
        return _refused(404, state)
    fault = _fields_fault(body, quest.api.setting)
    if fault is not None or not isinstance(body, dict):
        return _refused(fault or 400, state)
    if body[quest.api.setting] != quest.api.value:
        return _refused(422, state)
    if quest.level == 4 and "conflict resolved" not in state:
        told: dict[str, JSON] = {"error": _ERRORS[409], quest.api.lock: quest.holder}
        return 409, told, {**state, "conflict met": True}
    return 200, {quest.api.setting: quest.api.value}, {**state, "modified": True}


def _released(quest: Quest, state: Flags, word: str, body: JSON) -> Reply:
    if "conflict met" not in state or word != quest.holder:
        return _refused(404, state)
    if body not in (None, {}):
        return _refused(422, state)
    return 200, {}, {**state, "conflict resolved": True}


def _read(quest: Quest, state: Flags, word: str, query: Fields) -> Reply:
    if quest.level == 1:
        return _read_by(quest, state, word, query, quest.api.name, quest.subject, 404)
    if quest.level == 2:
        granted = quest.issued if "token obtained" in state else None
        return _read_by(quest, state, word, query, quest.api.given, granted, 401)
    return _read_record(quest, state, word, query)


def _read_record(quest: Quest, state: Flags, word: str, query: Fields) -> Reply:
    if "created" not in state or word != quest.issued:
        return _refused(404, state)
    if "modified" not in state:
        return _refused(409, state)
    if quest.level == 3:
        return _refused(400, state) if query else _earned(quest, state)
    if not query:
        return 200, {quest.api.cursor: quest.cursor}, {**state, "page obtained": True}
    granted = quest.cursor if "page obtained" in state else None
    return _read_by(quest, state, "", query, quest.api.cursor, granted, 404)


def _read_by(
    quest: Quest,
    state: Flags,
    word: str,
    query: Fields,
    field: str,
    wanted: str | None,
    otherwise: int,
) -> Reply:
    """The secret, where one parameter has the value that is wanted."""
    if word:
        return _refused(404, state)
    if list(query) != [field]:
        return _refused(401 if otherwise == 401 and not query else 400, state)
    return _earned(quest, state) if query[field] == wanted else _refused(otherwise, state)


def _earned(quest: Quest, state: Flags) -> Reply:
    return 200, {quest.api.secret: quest.secret}, {**state, EARNED: True}
