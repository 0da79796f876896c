"""Runs in the sandbox: one query on a database that can only be read.

The sandbox holds whatever a query does; the limits here are lower, so that common excess ends in
words that its author can act on. Everything counted is counted in steps and bytes, never in
seconds: a query that is stopped is stopped everywhere.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import NoReturn

DATABASE = "data.db"
QUERY_CHARACTERS = 10_000
# The exit status with which standard error tells what is wrong with the query.
REFUSED = 3

_STEPS = 20_000_000
_STEPS_AT_ONCE = 10_000
_HEAP_BYTES = 64 * 2**20
_ROWS = 100
_SHOWN_CHARACTERS = 3_000
_CELL_CHARACTERS = 200
_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 50,
    sqlite3.SQLITE_LIMIT_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4 * QUERY_CHARACTERS,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
# The first leaves the database; the others would make equal queries differ.
_REFUSED = {"load_extension", "random", "randomblob"}
_READ_ONLY = (
    "sql only reads: write one SELECT (WITH, window functions and PRAGMA table_info(NAME) may be "
    "used; random() and whatever writes or leaves the database may not)"
)


def run(query: str, header: bool) -> None:
    """Print what the query gives, or what is wrong with it."""
    connection = sqlite3.connect(f"file:{DATABASE}?mode=ro&immutable=1", uri=True)
    connection.isolation_level = None
    connection.text_factory = _text
    guard = _Guard(connection)
    try:
        sys.stdout.write(_table(connection.execute(query), header))
    except MemoryError:
        _refuse("the query needs too much memory; let it keep fewer or shorter values")
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        _refuse(_explained(connection, guard, str(error)))


def _refuse(why: str) -> NoReturn:
    sys.stderr.write(" ".join(why.split()))
    sys.exit(REFUSED)


class _Guard:
    """Refuses what does not read, and stops what does not end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.refused = False
        self.stopped = False
        self._left = _STEPS // _STEPS_AT_ONCE
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA hard_heap_limit = {_HEAP_BYTES}")
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_progress_handler(self._stop, _STEPS_AT_ONCE)
        connection.set_authorizer(self._allow)

    def _stop(self) -> bool:
        self._left -= 1
        self.stopped = self._left < 0
        return self.stopped

    def _allow(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        allowed = (
            action in _READING
            or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _REFUSED)
            or (action == sqlite3.SQLITE_PRAGMA and first == "table_info")
        )
        self.refused = self.refused or not allowed
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _table(cursor: sqlite3.Cursor, header: bool) -> str:
    if cursor.description is None:
        raise ValueError("there is nothing to run; write one SELECT")
    lines = ["|".join(_cell(column[0]) for column in cursor.description)] if header else []
    shown = 0
    for row in cursor:
        if shown == _ROWS or (shown and sum(map(len, lines)) > _SHOWN_CHARACTERS):
            lines.append(f"({shown} rows shown; there are more)")
            break
        lines.append("|".join(map(_cell, row)))
        shown += 1
    if header and not shown:
        lines.append("(no rows)")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return _cut(f"x'{value[:_CELL_CHARACTERS].hex()}'")
    if not isinstance(value, str):
        return repr(value)
    text = _cut(value)
    if text in ("", "NULL") or any(character in text for character in '|"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _cut(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[:_CELL_CHARACTERS] + "..."


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _explained(connection: sqlite3.Connection, guard: _Guard, fault: str) -> str:
    """The fault in words that say what to do."""
    if guard.refused:
        return f"{fault}: {_READ_ONLY}"
    if guard.stopped:
        return (
            f"the query was stopped after {_STEPS:,} steps; narrow it by WHERE, LIMIT or the "
            "condition of a join"
        )
    if not fault.startswith(("no such table", "no such column")):
        return fault
    named = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    tables = [f"{name}({_columns(connection, name)})" for (name,) in named.fetchall()]
    return f"{fault}; {'the tables are ' + ', '.join(tables) if tables else 'there are no tables'}"


def _columns(connection: sqlite3.Connection, table: str) -> str:
    quoted = '"' + table.replace('"', '""') + '"'
    return ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({quoted})"))
