"""The attempts of a store by their place, for who looks at one of very many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from reachgym.rollout.codec import KEY_COLUMNS, SCHEMA, decode
from reachgym.rollout.store_files import damaged, read_group, read_shard
from reachgym.rollout.store_folder import MANIFEST, open_folder
from reachgym.rollout.store_index import KeyIndex, digests_of
from reachgym.rollout.store_manifest import Manifest
from reachgym.rollout.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt is: the set it belongs to, and its row there.

    The writer merges shards, but never moves a row of a set.
    """

    failures: bool
    row: int


class StoreRows:
    """A reader of single attempts; not for several threads at once."""

    def __init__(self, path: Path) -> None:
        """Open a store.

        Raises:
            StoreError: There is none, or it has another format or is damaged.
        """
        self._path = path
        open_folder(path, create=False)
        self._manifest = Manifest(path / MANIFEST)
        # The rows read last, with the shard and the first of them: neighbours are asked for next.
        self._group: tuple[str, int, pa.Table] | None = None

    def refresh(self) -> tuple[int, int]:
        """Take note of what was appended; returns the rows of the main and of the side set.

        Raises:
            StoreError: The manifest is damaged.
        """
        self._manifest.refresh()
        return self._manifest.rows(False), self._manifest.rows(True)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """One row an attempt, failures that no success made up for last.

        Columns: those of `codec.SCHEMA` that are named, and `failures` and `row` of the place.

        Raises:
            StoreError: A shard is missing or damaged.
        """
        read = list(dict.fromkeys([*names, *KEY_COLUMNS]))
        done = self._set(False, read)
        failed = self._set(True, read)
        if failed.num_rows:
            index = KeyIndex()
            index.add_done(digests_of(done))
            index.add_failed(digests_of(failed), 0)
            failed = failed.take(pa.array(sorted(index.failed.values()), pa.int64()))
        return pa.concat_tables([done, failed]).select([*names, "failures", "row"])

    def read(self, place: Place) -> Trajectory:
        """The attempt at a place.

        Raises:
            StoreError: Its shard is missing or damaged.
        """
        shard, start = self._manifest.at(place.failures, place.row)
        try:
            return self._read(shard.name, place.row - start)
        except FileNotFoundError as error:
            self._manifest.refresh()
            shard, start = self._manifest.at(place.failures, place.row)
            try:
                return self._read(shard.name, place.row - start)
            except FileNotFoundError:
                raise damaged(self._path / shard.name, "it is missing") from error

    def _read(self, name: str, row: int) -> Trajectory:
        if self._group is not None:
            of_shard, first, rows = self._group
            if of_shard == name and first <= row < first + rows.num_rows:
                return _decoded(rows, row - first)
        first, rows = read_group(self._path / name, row)
        self._group = name, first, rows
        return _decoded(rows, row - first)

    def _set(self, failures: bool, names: list[str]) -> pa.Table:
        fields = [SCHEMA.field(name) for name in names]
        parts = [pa.schema(fields).empty_table()]
        end, row = self._manifest.rows(failures), 0
        while row < end:
            shard, start = self._manifest.at(failures, row)
            try:
                part = read_shard(self._path / shard.name, shard.rows, names)
            except FileNotFoundError as error:
                self._manifest.refresh()
                if self._manifest.at(failures, row)[0] == shard:
                    raise damaged(self._path / shard.name, "it is missing") from error
                continue
            parts.append(part.slice(row - start, end - row))
            row += parts[-1].num_rows
        table = pa.concat_tables(parts)
        places = np.arange(table.num_rows)
        return table.append_column(
            "failures", pa.array(np.full(len(places), failures))
        ).append_column("row", pa.array(places, pa.int64()))


def _decoded(rows: pa.Table, row: int) -> Trajectory:
    # A slice would have all rows of its group decoded.
    return next(decode(rows.take(pa.array([row], pa.int64()))))
