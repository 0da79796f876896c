"""An SQLite database made of CSV files, one table each."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import PurePosixPath

from reachgym.envs.errors import TaskError

# Eighteen digits always fit into the 64 bits of an SQLite integer.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def database_of(files: Mapping[str, str]) -> bytes:
    """An SQLite file with a table for every `NAME.csv` among `files`, called `NAME`.

    The first line of a file names the columns. A column whose values are all whole numbers is
    INTEGER, one whose values are all numbers REAL, any other TEXT, so that `007` stays as it is;
    an empty value is NULL.

    Raises:
        TaskError: A file has no header, a line has another number of values than the header, or
            two tables or columns share a name.
    """
    tables = [(path, text) for path, text in files.items() if path.endswith(".csv")]
    return _built(tuple(sorted(tables)))


@lru_cache(maxsize=64)
def _built(tables: tuple[tuple[str, str], ...]) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for path, text in tables:
            try:
                _add_table(connection, PurePosixPath(path).stem, text)
            except (sqlite3.Error, csv.Error, TaskError) as error:
                raise TaskError(f"'{path}' cannot be made a table: {error}") from error
        connection.commit()
        # A database without a page is an empty file, which `serialize` refuses to write.
        return connection.serialize() if tables else b""


def _add_table(connection: sqlite3.Connection, name: str, text: str) -> None:
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if not header:
        raise TaskError("expected a first line with the names of its columns, got none")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise TaskError(f"row {number} has {len(row)} values, the header has {len(header)}")
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    declared = [f"{_quoted(h)} {_type(c)}" for h, c in zip(header, columns, strict=True)]
    connection.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(declared)})")
    places = ", ".join("?" * len(header))
    connection.executemany(
        f"INSERT INTO {_quoted(name)} VALUES ({places})",
        ([value or None for value in row] for row in rows),
    )


def _type(values: Sequence[str]) -> str:
    given = [value for value in values if value]
    if given and all(map(_INTEGER.fullmatch, given)):
        return "INTEGER"
    return "REAL" if given and all(map(_REAL.fullmatch, given)) else "TEXT"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
