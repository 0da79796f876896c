"""Rows of JSONL, JSON and Parquet files, read one by one where they lie."""

from __future__ import annotations

import json
import mmap
import os
import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from reachgym.envs.datasets.parquet_rows import ParquetRows
from reachgym.envs.errors import InputError

Row: TypeAlias = Mapping[str, Any]

# Strings, in which brackets mean nothing, and brackets.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class RowFile(Protocol):
    """A file of rows of which any can be read; none is held."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def row(self, index: int) -> Row:
        """One row.

        Raises:
            InputError: It is none; the text tells file and row, what was expected and what came.
        """
        ...

    def scan(self) -> Iterator[Row]:
        """All rows in order.

        Raises:
            InputError: As `row`.
        """
        ...


def open_rows(path: Path) -> RowFile:
    """The rows of a file; its suffix says what it holds.

    `.jsonl` (or `.ndjson`) has an object on each line, `.json` a list of objects, `.parquet` a row
    for each.

    Raises:
        InputError: The file cannot be read, or its suffix or content is another.
    """
    kinds: dict[str, Callable[[Path], RowFile]] = {
        ".jsonl": lambda path: _JsonRows(path, _line_bounds),
        ".ndjson": lambda path: _JsonRows(path, _line_bounds),
        ".json": lambda path: _JsonRows(path, _item_bounds),
        ".parquet": _parquet,
    }
    if path.suffix not in kinds:
        packed = "; unpack it first" if path.suffix in (".gz", ".zst", ".bz2", ".zip") else ""
        raise InputError(f"{path}: expected a file named {', '.join(kinds)}{packed}")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(f"{path}: expected a file of rows, found {found}; give the path of one")
    return kinds[path.suffix](path)


def _parquet(path: Path) -> RowFile:
    try:
        return ParquetRows(path)
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(f"{path}: expected a Parquet file, got: {said}") from error


def place(path: Path, index: int) -> str:
    """Where a row is, for people; they count from one."""
    return f"{path}, row {index + 1}"


class _JsonRows:
    """Objects of a JSON text, of which only the offsets are held."""

    def __init__(self, path: Path, bounds: Callable[[mmap.mmap, Path], Iterator[int]]) -> None:
        self.path = path
        self._file = path.open("rb")
        empty = os.fstat(self._file.fileno()).st_size == 0
        self._bounds = array("Q")
        if not empty:
            with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                self._bounds = array("Q", bounds(content, path))

    def __len__(self) -> int:
        return len(self._bounds) // 2

    def row(self, index: int) -> Row:
        begin, end = self._bounds[2 * index : 2 * index + 2]
        # Unlike seek and read, which threads would take from one another.
        return self._decoded(os.pread(self._file.fileno(), end - begin, begin), index)

    def scan(self) -> Iterator[Row]:
        for index in range(len(self)):
            yield self.row(index)

    def _decoded(self, text: bytes, index: int) -> Row:
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{place(self.path, index)}: expected a JSON object in UTF-8, got {error}"
            ) from None
        if not isinstance(row, dict):
            kind = type(row).__name__
            raise InputError(f"{place(self.path, index)}: expected a JSON object, got a {kind}")
        return row


def _line_bounds(content: mmap.mmap, path: Path) -> Iterator[int]:
    """Begin and end of each line that is not blank."""
    del path
    begin = 0
    while line := content.readline():
        end = begin + len(line)
        if line.strip():
            yield begin
            yield end
        begin = end


def _item_bounds(content: mmap.mmap, path: Path) -> Iterator[int]:
    """Begin and end of each item of the list that the text is."""
    if content[:64].lstrip()[:1] != b"[":
        raise InputError(f"{path}: expected a JSON list of objects; name a file of lines .jsonl")
    depth = 0
    for token in _TOKEN.finditer(content):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == 2:
                    yield token.start()
            case b"]" | b"}":
                depth -= 1
                if depth == 1:
                    yield token.end()
    if depth:
        raise InputError(f"{path}: expected a whole JSON list, but it does not end; copy it again")
