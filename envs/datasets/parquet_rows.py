"""Rows of a Parquet file, of which a small group at a time is held in memory."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.envs.retrieval.node_cache import NodeCache, default_root

# A group is read as a whole. What data sets are published in has a thousand rows a group; what
# trainers write often has a single one.
MOST_ROWS_HELD = 16_384
_ROWS_AT_ONCE = 1024
_COPY = "rows.arrow"


class ParquetRows:
    """Rows of a file by their numbers.

    Where its groups are too large to be held, the node's cache gets a copy in Arrow's format,
    which all processes map.

    Raises:
        pyarrow.ArrowException: The file is no Parquet.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path, most_rows_held: int = MOST_ROWS_HELD) -> None:
        self.path = path
        self._file = pq.ParquetFile(path)
        groups = self._file.metadata.num_row_groups
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(groups)]
        self._read: Callable[[int], pa.Table | pa.RecordBatch] = self._file.read_row_group
        if max(sizes, default=0) > most_rows_held:
            copy = _mapped(path)
            self._read = copy.get_batch
            sizes = [copy.get_batch(i).num_rows for i in range(copy.num_record_batches)]
        self._begins: list[int] = list(accumulate(sizes, initial=0))
        self._held: tuple[int, pa.Table | pa.RecordBatch] | None = None
        self._reading = threading.Lock()

    def __len__(self) -> int:
        return self._begins[-1]

    def row(self, index: int) -> Mapping[str, Any]:
        """One row, all of its fields."""
        group = bisect_right(self._begins, index) - 1
        with self._reading:
            if self._held is None or self._held[0] != group:
                self._held = group, self._read(group)
            rows = self._held[1]
        found: list[dict[str, Any]] = rows.slice(index - self._begins[group], 1).to_pylist()
        return found[0]

    def scan(self) -> Iterator[Mapping[str, Any]]:
        """All rows in order."""
        for batch in self._file.iter_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _mapped(path: Path) -> pa.ipc.RecordBatchFileReader:
    """A copy of the file in small batches, in the node's cache."""
    about = path.stat()
    told = f"{path.resolve()} {about.st_size} {about.st_mtime_ns} {pa.__version__}"
    key = f"rows-{hashlib.sha256(told.encode()).hexdigest()[:32]}"
    folder = NodeCache(default_root() / "rows").folder(key, lambda draft: _copy(path, draft))
    return pa.ipc.open_file(pa.memory_map(str(folder / _COPY)))


def _copy(path: Path, folder: Path) -> None:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        with pa.ipc.new_file(folder / _COPY, schema) as writer:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                writer.write_batch(batch)
