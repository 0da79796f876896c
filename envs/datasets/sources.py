"""What the arguments mean that name an environment's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from reachgym.envs.datasets.row_files import open_rows
from reachgym.envs.datasets.row_taskset import RowTaskset
from reachgym.envs.datasets.scan import UNUSABLE, Shape, Unusable
from reachgym.envs.errors import ConfigError
from reachgym.envs.types import SPLITS, Split

Paths: TypeAlias = str | Sequence[str] | None

# A file as it was when it was opened.
_Version: TypeAlias = tuple[Path, int, int]
_Named: TypeAlias = tuple[tuple[str, tuple[_Version, ...]], ...]

_ALL = "all"


def rows_taskset(
    shape: Shape,
    path: Paths,
    splits: Mapping[Split, Paths],
    unusable: str = "refuse",
) -> RowTaskset:
    """The taskset over an environment's files; environments of a process share it.

    Args:
        shape: How rows become tasks.
        path: A file, or several, to be split by content.
        splits: Or the files of each split.
        unusable: As `RowTaskset` has it.

    Raises:
        ConfigError: Both are given, or neither, or one is no path.
        TaskError: Rows are refused, or there are none.
        InputError: A file cannot be read.
    """
    return _taskset(shape, _named(path, splits), _unusable(unusable))


def first_file(path: Paths, splits: Mapping[Split, Paths]) -> Path:
    """The first of an environment's files.

    Raises:
        ConfigError: As `rows_taskset`.
    """
    return _named(path, splits)[0][1][0][0]


def _named(path: Paths, splits: Mapping[Split, Paths]) -> _Named:
    given = {split: paths for split, paths in splits.items() if paths is not None}
    if (path is None) == (not given):
        raise ConfigError(
            "expected path, a file whose rows are split by their content, or files for splits as "
            f"{', '.join(SPLITS)}; got {'neither' if path is None else 'both'}"
        )
    if path is not None:
        return ((_ALL, _versions("path", path)),)
    return tuple((split, _versions(split, paths)) for split, paths in sorted(given.items()))


@lru_cache(maxsize=8)
def _taskset(shape: Shape, named: _Named, unusable: Unusable) -> RowTaskset:
    opened = {name: [open_rows(path) for path, _, _ in versions] for name, versions in named}
    if _ALL in opened:
        return RowTaskset(shape, opened[_ALL], unusable)
    return RowTaskset(
        shape, {split: opened[split] for split in SPLITS if split in opened}, unusable
    )


def _versions(name: str, given: Paths) -> tuple[_Version, ...]:
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, Sequence) or not several:
        raise ConfigError(f"{name} expects the path of a file, or a list of them, got {given!r}")
    if not all(isinstance(item, str) for item in several):
        raise ConfigError(f"{name} expects paths as texts, got {given!r}")
    return tuple(_version(Path(item)) for item in several)


def _version(path: Path) -> _Version:
    if not path.exists():
        return path, 0, 0  # Opening it says what is wrong.
    about = path.stat()
    return path, about.st_size, about.st_mtime_ns


def _unusable(given: str) -> Unusable:
    for word in UNUSABLE:
        if given == word:
            return word
    raise ConfigError(f"unusable expects one of {', '.join(UNUSABLE)}, got {given!r}")
