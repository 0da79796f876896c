"""Fields of a data set's rows, read with errors that say what was expected and what came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reachgym.envs.errors import TaskError

_LONGEST_QUOTE = 40


def text(row: Mapping[str, object], field: str, may_be_empty: bool = False) -> str:
    """A field that is a text.

    Raises:
        TaskError: It is not, or it is not there.
    """
    value = row.get(field)
    if not isinstance(value, str) or not (value or may_be_empty):
        raise wrong(field, "a text", described(row, field))
    return value


def texts(row: Mapping[str, object], field: str, may_be_empty: bool = False) -> tuple[str, ...]:
    """A field that is a list of texts.

    Raises:
        TaskError: It is not, or it is not there.
    """
    value = row.get(field)
    if not isinstance(value, list) or not (value or may_be_empty):
        raise wrong(field, "a list of texts", described(row, field))
    if not all(isinstance(item, str) for item in value):
        raise wrong(field, "a list of texts", repr(value)[:_LONGEST_QUOTE])
    return tuple(value)


def decoded(row: Mapping[str, object], field: str, may_be_empty: bool = False) -> Any:  # noqa: ANN401 - JSON
    """A field that is a text of JSON, and an empty one a list.

    Raises:
        TaskError: It is not, or it is not there.
    """
    given = text(row, field, may_be_empty)
    try:
        return json.loads(given or "[]")
    except (ValueError, RecursionError) as error:
        raise wrong(field, "JSON", str(error)) from None


def described(row: Mapping[str, object], field: str) -> str:
    """What a field holds, in a few words."""
    return repr(row[field])[:_LONGEST_QUOTE] if field in row else "no such field"


def wrong(field: str, expected: str, got: str) -> TaskError:
    """What to raise where a field is wrong."""
    return TaskError(f"field '{field}' of a row: expected {expected}, got {got}; correct the row")
