"""The list of episodes as a table in memory: filtered, sorted, counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from reachgym.envs.types import JSON
from reachgym.rollout.store_rows import Place

FACETS = ("env", "family", "policy", "split", "outcome", "stop_reason", "failure", "store")
MOST_VALUES = 200
MOST_SIBLINGS = 50
SIBLING = ("id", "policy", "seed", "outcome")
SORTS = {
    "order": "n",
    "reward": "reward",
    "turns": "turns",
    "tokens": "action_tokens",
    "seconds": "seconds",
}
ROW = (
    "id",
    "store",
    "env",
    "family",
    "split",
    "policy",
    "version",
    "task_id",
    "task_hash",
    "seed",
    "outcome",
    "reward",
    "stop_reason",
    "failure",
    "turns",
    "action_tokens",
    "tool_calls",
    "tool_errors",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class Query:
    """Which episodes, in which order.

    Attributes:
        chosen: For some of `FACETS` the values of which a row has one.
        task: A task's id or hash.
        sort: One of `SORTS`.
        descending: From the largest; what has no value comes last either way.
    """

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task: str | None = None
    sort: str = "order"
    descending: bool = False


class Episodes:
    """A table of `stores.summaries` rows; may be asked from several threads."""

    def __init__(self, rows: pa.Table) -> None:
        self._lock = threading.Lock()
        self._database = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": "false"}
        )
        self._database.register("given", rows)
        coded = ", ".join(f"{name}::facet_{name} AS {name}" for name in FACETS)
        for name in FACETS:
            values = f"SELECT DISTINCT {name} FROM given ORDER BY 1"
            self._database.execute(f"CREATE TYPE facet_{name} AS ENUM ({values})")
        self._database.execute(f"CREATE TABLE episodes AS SELECT * REPLACE ({coded}) FROM given")
        self._database.unregister("given")

    def close(self) -> None:
        """Give the table back; nothing can be asked any more."""
        with self._lock:
            self._database.close()
            # What is left of it at the interpreter's end is complained about.
            del self._database

    def count(self, query: Query) -> int:
        """How many episodes there are."""
        where, values = _where(query)
        return int(self._ask(f"SELECT count(*) FROM episodes{where}", values)[0][0])

    def facets(self, query: Query) -> dict[str, JSON]:
        """For every facet its values and their counts under all other filters."""
        counted: dict[str, JSON] = {}
        for name in FACETS:
            where, values = _where(query, without=name)
            rows = self._ask(
                f"SELECT {name}::VARCHAR, count(*) FROM episodes{where} "
                f"GROUP BY {name} ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}",
                values,
            )
            counted[name] = [list(row) for row in rows]
        return counted

    def page(self, query: Query, offset: int, limit: int) -> list[dict[str, JSON]]:
        """The rows of a page."""
        where, values = _where(query)
        rows = self._ask(
            f"SELECT {', '.join(ROW)} FROM episodes{where} ORDER BY {_order(query)} "
            "LIMIT ? OFFSET ?",
            [*values, limit, offset],
        )
        return [_named(ROW, row) for row in rows]

    def position(self, name: str, query: Query) -> tuple[int | None, str | None, str | None]:
        """An episode's place among these, and the ids before and after it."""
        where, values = _where(query)
        order = _order(query)
        found = self._ask(
            f"SELECT place, previous, next FROM (SELECT id, row_number() OVER w - 1 AS place, "
            f"lag(id) OVER w AS previous, lead(id) OVER w AS next FROM episodes{where} "
            f"WINDOW w AS (ORDER BY {order})) WHERE id = ?",
            [*values, name],
        )
        return found[0] if found else (None, None, None)

    def find(self, name: str) -> tuple[dict[str, JSON], int, Place] | None:
        """The row of an id, the number of its store and its place there."""
        found = self._ask(
            f"SELECT {', '.join(ROW)}, source, failures, row FROM episodes WHERE id = ?", [name]
        )
        return _located(found[0]) if found else None

    def every(self) -> list[tuple[dict[str, JSON], int, Place]]:
        """The same of all episodes, in the order of the stores and of their rows."""
        rows = self._ask(f"SELECT {', '.join(ROW)}, source, failures, row FROM episodes ORDER BY n")
        return [_located(row) for row in rows]

    def siblings(self, row: Mapping[str, JSON]) -> list[JSON]:
        """Other attempts at a row's task."""
        found = self._ask(
            f"SELECT {', '.join(SIBLING)} FROM episodes WHERE task_hash = ? AND id <> ? "
            f"ORDER BY n LIMIT {MOST_SIBLINGS}",
            [row["task_hash"], row["id"]],
        )
        return [_named(SIBLING, other) for other in found]

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _where(query: Query, without: str | None = None) -> tuple[str, list[Any]]:
    """A condition whose values are parameters; the names in it are all from `FACETS`."""
    tests: list[str] = []
    values: list[Any] = []
    for name in FACETS:
        chosen = query.chosen.get(name, ())
        if chosen and name != without:
            tests.append(f"{name}::VARCHAR IN ({', '.join('?' * len(chosen))})")
            values += chosen
    if query.task is not None:
        tests.append("(task_id = ? OR task_hash = ?)")
        values += [query.task, query.task]
    return (f" WHERE {' AND '.join(tests)}" if tests else ""), values


def _order(query: Query) -> str:
    column = SORTS[query.sort]
    direction = "DESC" if query.descending else "ASC"
    return f"{column} {direction} NULLS LAST, n"


def _located(values: tuple[Any, ...]) -> tuple[dict[str, JSON], int, Place]:
    source, failures, row = values[len(ROW) :]
    return _named(ROW, values[: len(ROW)]), source, Place(failures, row)


def _named(names: Sequence[str], values: tuple[Any, ...]) -> dict[str, JSON]:
    row = dict(zip(names, values, strict=True))
    row["seed"] = str(row["seed"])
    return row
