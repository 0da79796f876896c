"""One reading of all rows: which can be used, and what each asks, by its hash."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from reachgym.envs.datasets.row_files import Row, RowFile, place
from reachgym.envs.errors import TaskError
from reachgym.envs.taskset import check_task
from reachgym.envs.types import Split, Task

Unusable: TypeAlias = Literal["refuse", "drop"]
Positions: TypeAlias = npt.NDArray[np.int64]

UNUSABLE: tuple[Unusable, ...] = ("refuse", "drop")

# Where a content stands in several splits, the first of these keeps it.
_KEEPING: tuple[Split, ...] = ("held_out", "validation", "train")
_TENTHS: tuple[Split, ...] = (*("train",) * 8, "validation", "held_out")


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of one data set become tasks.

    Attributes:
        name: What its tasks' family is called.
        read: The task of a row, given an id for rows that bring none, and a split. Its prompt is
            the row's content: rows with equal prompts ask the same. It raises a TaskError where a
            row is malformed.
    """

    name: str
    read: Callable[[Row, str, Split], Task]


@dataclass(slots=True)
class Scan:
    """What reading all rows found.

    Attributes:
        digests: Of each row's content, 64 bits.
        positions: Of the rows a task can be made of, counted through all files.
        malformed: How many others there are.
        shared: How many rows were left out since another split asks the same.
        first_fault: Why the first row was left out: where, what was expected and what came.
    """

    digests: npt.NDArray[np.uint64]
    positions: Positions
    malformed: int = 0
    shared: int = 0
    first_fault: str = ""


def scan_rows(shape: Shape, files: Sequence[RowFile], unusable: Unusable) -> Scan:
    """Read every row of the files.

    Raises:
        TaskError: A row is malformed, and such are refused.
        InputError: A row cannot be decoded.
    """
    digests, positions = array("Q"), array("q")
    malformed, first_fault = 0, ""
    for file in files:
        for index, row in enumerate(file.scan()):
            try:
                task = shape.read(row, shape.name, "train")
                check_task(task)
            except TaskError as error:
                fault = f"{place(file.path, index)}: {error}"
                if unusable == "refuse":
                    hint = 'give unusable="drop" to leave such rows out'
                    raise TaskError(f"{fault}, or {hint}") from None
                malformed += 1
                first_fault = first_fault or fault
                digests.append(0)
            else:
                positions.append(len(digests))
                digests.append(content_digest(task.prompt))
    return Scan(
        np.array(digests, dtype=np.uint64),
        np.array(positions, dtype=np.int64),
        malformed,
        first_fault=first_fault,
    )


def content_digest(prompt: str) -> int:
    """64 bits of what a prompt says, however its words are spaced."""
    words = " ".join(prompt.split())
    digest = hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def deal(scan: Scan) -> dict[Split, Positions]:
    """The usable rows by split: eight tenths for training, one for validation, one held out.

    The content alone decides, so that no two splits share one, whatever other rows there are.
    """
    tenths = scan.digests[scan.positions] % np.uint64(len(_TENTHS))
    names = np.array(_TENTHS)[tenths.astype(np.int64)]
    return {split: scan.positions[names == split] for split in _KEEPING}


def separate(
    scan: Scan, rows_of: Mapping[Split, Positions], unusable: Unusable, told: Callable[[int], str]
) -> dict[Split, Positions]:
    """The rows of each split without those whose content a split nearer to the held-out one has.

    Args:
        scan: The contents; how many rows are left out is noted in it.
        rows_of: The rows as they are given.
        unusable: Whether to refuse such rows, or to drop them.
        told: Where a row is, for people.

    Raises:
        TaskError: There are such rows, and they are refused.
    """
    kept: dict[Split, Positions] = {}
    for split in _KEEPING:
        rows = rows_of.get(split, np.empty(0, dtype=np.int64))
        rows = rows[np.isin(rows, scan.positions)]
        before = np.concatenate([np.empty(0, dtype=np.int64), *kept.values()])
        shared = np.isin(scan.digests[rows], scan.digests[before])
        if shared.any():
            first = int(rows[shared][0])
            other = int(before[scan.digests[before] == scan.digests[first]][0])
            fault = f"{told(first)} asks the same as {told(other)}, in another split"
            if unusable == "refuse":
                raise TaskError(
                    f"expected splits without common content, got {int(shared.sum())} such rows in"
                    f' {split}: {fault}; give unusable="drop" to leave them out of {split}'
                )
            scan.shared += int(shared.sum())
            scan.first_fault = scan.first_fault or fault
        kept[split] = rows[~shared]
    return kept
