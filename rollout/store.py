"""Trajectories on disk: Parquet shards that are there whole or not at all, one row an attempt."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.envs.errors import StoreError
from reachgym.rollout.codec import KEY_COLUMNS, SCHEMA, decode, encode, keys_of
from reachgym.rollout.trajectory import AttemptKey, Trajectory

# What pyarrow takes to choose rows: column, comparison, value.
_Filters: TypeAlias = list[tuple[str, str, object]]

SCHEMA_VERSION = 3
_FORMAT = "reachgym trajectories"
_MARKER = "store.json"
_SUMMARY = [
    "policy",
    "version",
    "family",
    "split",
    "task_id",
    "task_hash",
    "seed",
    "passed",
    "reward",
    "guess",
    "stop_reason",
    "failure_kind",
    "sandbox",
    "action_tokens",
    "tool_calls",
]


class TrajectoryStore:
    """A folder of attempts, each there once; one process writes at a time.

    An attempt that failed is kept with its cause but does not count as done: it may be made
    again, and a later success takes its place.

    Raises:
        StoreError: The folder holds something else, another format, or a damaged shard.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        _open_folder(self._path)
        self._shards = sorted(shard.name for shard in self._path.glob("*.parquet"))
        self._done: set[AttemptKey] = set()
        # Where the last failure of an attempt that is not done is kept.
        self._failed: dict[AttemptKey, str] = {}
        for name in self._shards:
            self._index(name, self._load(name, [*KEY_COLUMNS, "failure_kind"]))

    def keys(self) -> set[AttemptKey]:
        """The attempts that are done; failures are not among them."""
        return set(self._done)

    def append(self, trajectories: Iterable[Trajectory]) -> int:
        """Write trajectories as one shard; returns how many were new.

        What is done already is ignored, so an append may be repeated. When this returns, the
        rows survive a loss of power. Many at once are far cheaper than one at a time.
        """
        return self.append_table(encode(trajectories))

    def append_table(self, table: pa.Table) -> int:
        """The same for rows as `codec.encode` makes them."""
        rows = table.take(pa.array(self._fresh(table), pa.int64()))
        if rows.num_rows:
            name = f"{len(self._shards):06d}-{uuid.uuid4().hex[:8]}.parquet"
            _write_whole(self._path, name, rows)
            self._shards.append(name)
            self._index(name, rows)
        return int(rows.num_rows)

    def read(self, policy: str | None = None, family: str | None = None) -> Iterator[Trajectory]:
        """The attempts, all or those of one policy or family, in the order they were written."""
        wanted = {"policy": policy, "family": family}
        filters: _Filters = [
            (name, "==", value) for name, value in wanted.items() if value is not None
        ]
        for name in list(self._shards):
            yield from decode(self._current(name, None, filters or None))

    def read_keys(self, keys: Collection[AttemptKey]) -> Iterator[Trajectory]:
        """The attempts that have these keys, in the order they were written."""
        if not keys:
            return
        seeds: _Filters = [("seed", "in", {key.seed for key in keys})]
        for name in list(self._shards):
            for trajectory in decode(self._current(name, None, seeds)):
                if trajectory.key in keys:
                    yield trajectory

    def summary(self) -> pa.Table:
        """One row an attempt, failures included, with the columns that fit in memory.

        Columns: policy, version, family, split, task_id, task_hash, seed, passed, reward, guess,
        stop_reason, failure_kind, sandbox, action_tokens, tool_calls.
        """
        columns = list(dict.fromkeys([*_SUMMARY, *KEY_COLUMNS]))
        empty = pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
        parts = [self._current(name, columns, None) for name in self._shards]
        return pa.concat_tables([empty, *parts]).select(_SUMMARY)

    def _current(self, name: str, columns: list[str] | None, filters: _Filters | None) -> pa.Table:
        """A shard without the failures that were made up for, or repeated, later."""
        table = self._load(name, columns, filters)
        kinds = table["failure_kind"].to_pylist()
        if not any(kinds):
            return table
        kept = [
            kind is None or self._failed.get(key) == name
            for key, kind in zip(keys_of(table), kinds, strict=True)
        ]
        return table.filter(pa.array(kept, pa.bool_()))

    def _fresh(self, table: pa.Table) -> list[int]:
        """Indices of the rows to write: one for each key that is not done, a success if any."""
        kinds = table["failure_kind"].to_pylist()
        chosen: dict[AttemptKey, int] = {}
        for index, key in enumerate(keys_of(table)):
            if key in self._done:
                continue
            if key not in chosen or (kinds[index] is None and kinds[chosen[key]] is not None):
                chosen[key] = index
        return sorted(chosen.values())

    def _index(self, name: str, table: pa.Table) -> None:
        kinds = table["failure_kind"].to_pylist()
        for key, kind in zip(keys_of(table), kinds, strict=True):
            if kind is None:
                self._done.add(key)
                self._failed.pop(key, None)
            elif key not in self._done:
                self._failed[key] = name

    def _load(
        self,
        name: str,
        columns: list[str] | None,
        filters: _Filters | None = None,
    ) -> pa.Table:
        path = self._path / name
        try:
            return pq.read_table(path, columns=columns, filters=filters, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise StoreError(
                f"{path} cannot be read as a shard of trajectories ({_first_line(error)}); "
                "restore it, or delete it to have its attempts made again"
            ) from error


def _open_folder(path: Path) -> None:
    marker = path / _MARKER
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file; a trajectory store is a folder")
    if not marker.exists():
        if path.exists() and any(entry.suffix != ".tmp" for entry in path.iterdir()):
            raise StoreError(
                f"{path} is not empty and holds no trajectory store (no {_MARKER}); "
                "give a new or an empty folder"
            )
        path.mkdir(parents=True, exist_ok=True)
        _replace(path, _MARKER, json.dumps({"format": _FORMAT, "version": SCHEMA_VERSION}).encode())
    _check_marker(marker)


def _check_marker(marker: Path) -> None:
    try:
        content = json.loads(marker.read_text())
        told, version = content["format"], int(content["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{marker} is damaged ({_first_line(error)}); restore it") from error
    if told != _FORMAT:
        raise StoreError(f"{marker.parent} holds '{told}', expected '{_FORMAT}'")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{marker.parent} has format version {version}, this reachgym reads and writes "
            f"{SCHEMA_VERSION}; use the reachgym that made it, or another folder"
        )


def _write_whole(folder: Path, name: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    _replace(folder, name, sink.getvalue())


def _replace(folder: Path, name: str, content: bytes | pa.Buffer) -> None:
    """Write a file so that after a crash it is there whole or not at all."""
    temporary = folder / f".{name}.tmp"
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
