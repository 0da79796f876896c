"""Trajectories on disk: every attempt once, whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import reduce
from operator import and_
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from reachgym.envs.errors import StoreError
from reachgym.rollout.codec import KEY_COLUMNS, SCHEMA, decode, encode, keys_of
from reachgym.rollout.store_files import damaged, read_shard, write_shard
from reachgym.rollout.store_folder import MANIFEST, open_folder
from reachgym.rollout.store_index import KeyIndex, digest_of, digests_of
from reachgym.rollout.store_manifest import FAILURES, Manifest, Shard
from reachgym.rollout.trajectory import AttemptKey, Trajectory

# Most rows of a shard: what is decoded at once.
_SHARD_ROWS = 2**14
# So many shards of a level become one of the next, unless they would be too large together.
_FAN_IN = 16
_MERGED_BYTES = 32 * 2**20
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
    """A folder of attempts, each there once: what was done, and beside it what failed.

    An attempt that failed is kept with its cause but does not count as done: it may be made
    again, and a later success takes its place.

    The first append, or `lock`, makes this store the folder's writer, which it stays until it is
    closed, ends or is killed; there is one at a time. Readers need no lock, and see what was
    appended before they were opened.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open a store.

        Args:
            path: Its folder.
            create: Begin a store where there is none.

        Raises:
            StoreError: There is none, the folder holds something else or another format, or the
                store lacks something of what it held.
        """
        self._path = Path(path)
        open_folder(self._path, create)
        self._manifest = Manifest(self._path / MANIFEST)
        self._manifest.check_files()
        # How many rows of the main and of the side set there are for this store: others may write
        # more meanwhile.
        self._seen = self._count_rows()
        self._index = KeyIndex()
        # How many of them the index knows.
        self._indexed = {False: 0, True: 0}

    def __contains__(self, key: AttemptKey) -> bool:
        """Whether an attempt is done; a failure is not."""
        self._read_index()
        return digest_of(key) in self._index

    def keys(self) -> set[AttemptKey]:
        """The attempts that are done; where there are millions, ask for each with `in`."""
        return {key for table in self._tables(False, list(KEY_COLUMNS)) for key in keys_of(table)}

    def append(self, trajectories: Iterable[Trajectory]) -> int:
        """Keep trajectories; returns how many were new.

        What is done already is ignored, so an append may be repeated. When this returns, the
        rows survive a loss of power. Many at once are far cheaper than one at a time.

        Raises:
            StoreError: Another process writes here, or the disk is full; nothing was kept then.
        """
        return self.append_table(encode(trajectories))

    def append_table(self, table: pa.Table) -> int:
        """The same for rows as `codec.encode` makes them."""
        self.lock()
        done, failed = self._fresh(table)
        rows = {
            False: table.take(pa.array(done, pa.int64())),
            True: table.take(pa.array(failed, pa.int64())),
        }
        shards: list[Shard] = []
        try:
            for failures, part in rows.items():
                for start in range(0, part.num_rows, _SHARD_ROWS):
                    shard = self._write(failures, part.slice(start, _SHARD_ROWS))
                    shards.append(shard)
            self._manifest.commit(shards)
        except OSError as error:
            self._remove(shards)
            raise StoreError(
                f"{self._path} could not be written to ({error.strerror or error}); nothing of "
                "this append was kept, and what was kept before is as it was: make room and run "
                "again"
            ) from error
        self._seen = self._count_rows()
        for failures, part in rows.items():
            self._note(failures, part)
            self._merge(failures)
        return len(done) + len(failed)

    def read(
        self, policy: str | None = None, family: str | None = None, *, failures: bool = True
    ) -> Iterator[Trajectory]:
        """The attempts, all or those of one policy or family, in the order they were written.

        Failures that no success made up for come last, or not at all.
        """
        wanted = {"policy": policy, "family": family}
        tests = [pc.field(name) == value for name, value in wanted.items() if value is not None]
        keep = reduce(and_, tests) if tests else None
        for table in self._rows(None, failures):
            yield from decode(table if keep is None else table.filter(keep))

    def read_keys(self, keys: Collection[AttemptKey]) -> Iterator[Trajectory]:
        """The attempts that have these keys, in the order they were written."""
        if not keys:
            return
        seeds = pa.array({key.seed for key in keys}, SCHEMA.field("seed").type)
        for table in self._rows(None, failures=True):
            for trajectory in decode(table.filter(pc.is_in(table["seed"], seeds))):
                if trajectory.key in keys:
                    yield trajectory

    def summary(self) -> pa.Table:
        """One row an attempt, failures included, with the columns that fit in memory.

        Columns: policy, version, family, split, task_id, task_hash, seed, passed, reward, guess,
        stop_reason, failure_kind, sandbox, action_tokens, tool_calls.
        """
        return self.columns(_SUMMARY)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """One row an attempt, failures included, with these columns of `codec.SCHEMA`."""
        empty = pa.schema([SCHEMA.field(name) for name in names]).empty_table()
        # What failed is told from what was made up for by its key.
        read = list(dict.fromkeys([*names, *KEY_COLUMNS]))
        rows = (table.select(list(names)) for table in self._rows(read, failures=True))
        return pa.concat_tables([empty, *rows])

    def lock(self) -> None:
        """Become the folder's writer now, and not with the first append.

        Raises:
            StoreError: Another process or store is its writer, or it is damaged.
        """
        if self._manifest.writing:
            return
        self._manifest.lock()
        try:
            self._manifest.check_files()
            self._manifest.remove_unnamed_files()
            self._seen = self._count_rows()
            self._read_index()
        except BaseException:
            self._manifest.unlock()
            raise

    def close(self) -> None:
        """Let others write; a later append becomes the writer again."""
        self._manifest.unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self, columns: list[str] | None, failures: bool) -> Iterator[pa.Table]:
        """What is done, and then the failures that no later attempt made up for."""
        yield from self._tables(False, columns)
        if not failures or not self._seen[True]:
            return
        self._read_index()
        row = 0
        for table in self._tables(True, columns):
            places = enumerate(digests_of(table), row)
            kept = [self._index.failed.get(digest) == place for place, digest in places]
            row += table.num_rows
            yield table.filter(pa.array(kept, pa.bool_()))

    def _tables(
        self, failures: bool, columns: list[str] | None, row: int = 0
    ) -> Iterator[pa.Table]:
        """The rows of a set from one on, shard by shard; the writer may merge shards meanwhile."""
        end = self._seen[failures]
        while row < end:
            shard, start = self._manifest.at(failures, row)
            try:
                table = read_shard(self._path / shard.name, shard.rows, columns)
            except FileNotFoundError as error:
                # Merging keeps the rows and their order, so that reading can go on at this row.
                self._manifest.refresh()
                if self._manifest.at(failures, row)[0] == shard:
                    raise damaged(self._path / shard.name, "it is missing") from error
                continue
            table = table.slice(row - start, end - row)
            row += table.num_rows
            yield table

    def _read_index(self) -> None:
        """Bring the index up to what is there."""
        for failures in (False, True):
            row = self._indexed[failures]
            for table in self._tables(failures, list(KEY_COLUMNS), row):
                self._note(failures, table)

    def _note(self, failures: bool, table: pa.Table) -> None:
        digests = digests_of(table)
        if failures:
            self._index.add_failed(digests, self._indexed[True])
        else:
            self._index.add_done(digests)
        self._indexed[failures] += table.num_rows

    def _count_rows(self) -> dict[bool, int]:
        return {failures: self._manifest.rows(failures) for failures in (False, True)}

    def _shards(self, failures: bool) -> list[Shard]:
        return self._manifest.shards(failures)

    def _fresh(self, table: pa.Table) -> tuple[list[int], list[int]]:
        """Indices of the rows to keep, done and failed: one a key that is not done."""
        kinds = table["failure_kind"].to_pylist()
        chosen: dict[bytes, int] = {}
        for row, digest in enumerate(digests_of(table)):
            if digest in self._index:
                continue
            if digest not in chosen or (kinds[row] is None and kinds[chosen[digest]] is not None):
                chosen[digest] = row
        rows = sorted(chosen.values())
        return (
            [row for row in rows if kinds[row] is None],
            [row for row in rows if kinds[row] is not None],
        )

    def _write(self, failures: bool, rows: pa.Table, level: int = 0, replaces: int = 0) -> Shard:
        number = sum(self._count_rows().values())
        name = f"{number:06d}-{uuid.uuid4().hex[:8]}.parquet"
        if failures:
            name = f"{FAILURES}/{name}"
        size = write_shard(self._path / name, rows)
        return Shard(name, rows.num_rows, size, level, replaces)

    def _merge(self, failures: bool) -> None:
        """Make one shard of the last ones while there are many small ones of a level."""
        while True:
            shards = self._shards(failures)
            last = shards[-_FAN_IN:]
            levels = {shard.level for shard in last}
            rows, size = sum(shard.rows for shard in last), sum(shard.bytes for shard in last)
            if len(last) < _FAN_IN or len(levels) > 1 or rows > _SHARD_ROWS or size > _MERGED_BYTES:
                return
            first = sum(shard.rows for shard in shards[:-_FAN_IN])
            merged = pa.concat_tables(list(self._tables(failures, None, first)))
            # A disk too full to merge on loses nothing; it is tried again after the next append.
            try:
                shard = self._write(failures, merged, levels.pop() + 1, replaces=len(last))
                self._manifest.commit([shard])
            except OSError:
                return
            self._remove(last)

    def _remove(self, shards: Iterable[Shard]) -> None:
        for shard in shards:
            # Whoever writes here next removes what is left.
            with suppress(OSError):
                (self._path / shard.name).unlink(missing_ok=True)
