"""Files and folders that are there whole or not at all, and lines with their numbers."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from reachgym.envs.errors import InputError
from reachgym.rollout.formats.reading import FieldError

T = TypeVar("T")


@contextmanager
def fresh(path: Path) -> Iterator[Path]:
    """A place to write a file or a folder at, which is renamed to `path` at the end.

    If the block raises, what it wrote is removed and `path` does not come to exist.

    Raises:
        InputError: There is something at `path` already, or it cannot be written to.
    """
    _refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        yield draft
        _refuse_existing(path)
        draft.rename(path)
        _sync(path.parent)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write a text file, a lone surrogate as `?`; returns how many lines it has."""
    count = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def read_json_lines(path: Path, read: Callable[[object, str], T]) -> Iterator[T]:
    """What `read` makes of every line; empty lines are passed over.

    Raises:
        InputError: The file cannot be read or a line is wrong; it names the file and the line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _read_line(line, read, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a file") from error


def _read_line(line: bytes, read: Callable[[object, str], T], place: str) -> T:
    try:
        return read(json.loads(line.decode("utf-8")), "")
    except FieldError as error:
        raise InputError(f"{place}: {error}") from None
    except RecursionError:
        raise InputError(f"{place}: expected JSON, got one nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{place}: expected one JSON object in UTF-8, got {error}") from None


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} exists already; give another place, or remove it first")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
