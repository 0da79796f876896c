"""Writes `results.md`, the description of `results.json`, from the schema itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from reachgym.study.results import Results

_INTRODUCTION = """# `results.json`

Every number of a study, and all that its report is drawn from. `reachgym study` writes it,
`reachgym report` reads it; `reachgym.study.results.Results` is its schema, and an unknown field is
an error. Change the schema, then write this page again: `python docs/schema.py docs/results.md`.
"""


def page() -> str:
    """The page as Markdown: one table for each kind of record, in order of first use."""
    return "\n".join([_INTRODUCTION, *(_section(record) for record in _records(Results, set()))])


def _records(record: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if record in seen:
        return
    seen.add(record)
    yield record
    for field in record.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _records(part, seen)


def _section(record: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_type(field.annotation)} | {field.description or ''} |"
        for name, field in record.model_fields.items()
    ]
    about = " ".join((record.__doc__ or "").split())
    head = [
        f"## {record.__name__}",
        "",
        about,
        "",
        "| field | type | what it is |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _type(annotation: object) -> str:
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if get_args(annotation):
        name = str(annotation)
    words = re.sub(r"\b(reachgym\.study\.result\w*|typing)\.", "", name)
    choices = re.sub(r"Literal\[([^\]]*)\]", lambda m: " or ".join(m[1].split(", ")), words)
    return choices.replace(" | ", " or ").replace("None", "null")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
