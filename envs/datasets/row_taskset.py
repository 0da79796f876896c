"""A taskset over files of rows: lazy, split by file or by content, every row checked once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from reachgym.envs.datasets.row_files import RowFile, place
from reachgym.envs.datasets.scan import (
    Positions,
    Scan,
    Shape,
    Unusable,
    deal,
    scan_rows,
    separate,
)
from reachgym.envs.errors import TaskError
from reachgym.envs.taskset import check_index, check_split
from reachgym.envs.types import Split, Task

Files: TypeAlias = Sequence[RowFile] | Mapping[Split, Sequence[RowFile]]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in files of rows.

    Attributes:
        rows: Rows in all files.
        repeated: Rows that ask what another row of their split asks before them; they are kept.
        malformed: Rows left out because no task can be made of them.
        shared: Rows left out because a split nearer to the held-out one asks the same.
        first_fault: Why the first was left out: where it is, what was expected and what came.
    """

    rows: int
    repeated: int
    malformed: int
    shared: int
    first_fault: str


class RowTaskset:
    """The tasks of files of rows; a row is read when its task is asked for.

    All rows are read once in the beginning, to refuse malformed ones and to tell splits apart.
    What is kept of each is where it is and a hash of its content: some forty bytes.

    Args:
        shape: How rows become tasks.
        files: The files of each split. Files without splits are split by a hash of the content:
            eight tenths for training, a tenth for validation, a tenth held out.
        unusable: What becomes of rows that are malformed, or whose content two splits have:
            `"refuse"` them, or `"drop"` and count them; the held-out rows are then kept.

    Raises:
        TaskError: Rows are refused, or there are none.
        InputError: A row cannot be decoded.
    """

    def __init__(self, shape: Shape, files: Files, unusable: Unusable = "refuse") -> None:
        self.name = shape.name
        self._shape = shape
        given = files if isinstance(files, Mapping) else {"train": files}
        self._files = [file for several in given.values() for file in several]
        self._begins = list(accumulate(map(len, self._files), initial=0))
        scan = scan_rows(shape, self._files, unusable)
        if isinstance(files, Mapping):
            self._rows = separate(scan, self._by_file(files), unusable, self._place)
        else:
            self._rows = deal(scan)
        self.found = self._count(scan)
        if not any(map(len, self._rows.values())):
            names = ", ".join(str(file.path) for file in self._files)
            why = f" ({scan.first_fault})" if scan.first_fault else ""
            raise TaskError(
                f"{names}: expected rows in the shape of {shape.name}, got none that can be used"
                f"{why}; give another file"
            )

    def task(self, split: Split, index: int) -> Task:
        """The task at `index` of a split.

        Raises:
            TaskError: There is no such split or index, or the file has changed.
            InputError: The file has changed.
        """
        check_index(self, split, index)
        position = int(self._rows[split][index])
        file, row = self._find(position)
        return self._shape.read(file.row(row), f"{self.name}/{split}/{index}", split)

    def size(self, split: Split) -> int:
        """How many tasks a split has."""
        check_split(split)
        return len(self._rows[split])

    def place(self, split: Split, index: int) -> str:
        """The file and row of a task, for people."""
        check_index(self, split, index)
        return self._place(int(self._rows[split][index]))

    def _by_file(self, files: Mapping[Split, Sequence[RowFile]]) -> dict[Split, Positions]:
        rows: dict[Split, Positions] = {}
        begin = 0
        for split, several in files.items():
            end = begin + sum(map(len, several))
            rows[split] = np.arange(begin, end)
            begin = end
        return rows

    def _count(self, scan: Scan) -> Found:
        distinct = sum(len(np.unique(scan.digests[rows])) for rows in self._rows.values())
        kept = sum(map(len, self._rows.values()))
        return Found(
            rows=self._begins[-1],
            repeated=kept - distinct,
            malformed=scan.malformed,
            shared=scan.shared,
            first_fault=scan.first_fault,
        )

    def _place(self, position: int) -> str:
        file, row = self._find(position)
        return place(file.path, row)

    def _find(self, position: int) -> tuple[RowFile, int]:
        number = bisect_right(self._begins, position) - 1
        return self._files[number], position - self._begins[number]
