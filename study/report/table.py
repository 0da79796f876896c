"""Tables of the report: one source for the numbers on the page and for the file to download."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from markupsafe import Markup

from reachgym.study.report.text import number, share, visible
from reachgym.study.results import Interval

Cell: TypeAlias = str | int | float | Interval | None

_MOST_ROWS = 400
_LONGEST_NAME = 60
_FORMULA = ("=", "+", "-", "@")
_FOREIGN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; an interval is one cell on the page and four in the file.

    Attributes:
        title: What the rows are, for the file's name and for who does not see the page.
        columns: One name a cell.
        rows: All of them.
        most_rows: As many as the page has room for.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    most_rows: int = _MOST_ROWS

    @property
    def numeric(self) -> frozenset[int]:
        """Places of the columns that hold bare numbers alone, which stand to the right."""
        return frozenset(
            place
            for place in range(1, len(self.columns))
            if all(isinstance(row[place], int | float | None) for row in self.rows)
        )

    @property
    def shown(self) -> Sequence[tuple[Cell, ...]]:
        """The rows that the page has room for; the file has all."""
        return self.rows[: self.most_rows]

    @property
    def file_name(self) -> str:
        """What the file is called: letters, digits and hyphens, whatever the title holds."""
        stem = _FOREIGN.sub("-", self.title.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
        return f"{stem or 'data'}.csv"

    @property
    def link(self) -> str:
        """The file as an address that needs no network."""
        return "data:text/csv;charset=utf-8," + quote(self.csv(), safe=",/")

    def csv(self) -> str:
        """The rows as CSV in which no text can be taken for a formula."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        intervals = {
            place for row in self.rows for place, c in enumerate(row) if isinstance(c, Interval)
        }
        writer.writerow(
            name
            for place, column in enumerate(self.columns)
            for name in (_ends(column) if place in intervals else (_inert(column),))
        )
        for row in self.rows:
            writer.writerow(
                value
                for place, cell in enumerate(row)
                for value in _values(cell, place in intervals)
            )
        return buffer.getvalue()


def cell(value: Cell) -> str:
    """A cell as the page shows it."""
    if isinstance(value, Interval):
        return Markup("{} <small>({} to {}, n={})</small>").format(
            share(value.estimate), share(value.low), share(value.high), number(value.n)
        )
    if isinstance(value, str):
        return visible(value)
    return "none" if value is None else number(value)


def _ends(column: str) -> tuple[str, ...]:
    name = _inert(column)
    return name, f"{name} low", f"{name} high", f"{name} n"


def _values(cell: Cell, is_interval: bool) -> Iterator[str | int]:
    if isinstance(cell, Interval):
        yield from (_digits(cell.estimate), _digits(cell.low), _digits(cell.high), cell.n)
        return
    if isinstance(cell, str):
        yield _inert(cell)
    else:
        yield "" if cell is None else _digits(cell) if isinstance(cell, float) else cell
    if is_interval:
        yield from ("", "", "")


def _digits(value: float) -> str:
    # Adding zero turns minus zero into zero.
    return f"{value + 0.0:.6g}"


def _inert(text: str) -> str:
    """Text that a spreadsheet shows and does not compute."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
