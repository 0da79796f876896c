"""Which shards of a store count: a log that is only ever added to, and the lock of its writer."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import weakref
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from reachgym.envs.errors import StoreError
from reachgym.rollout.store_files import damaged

FAILURES = "failures"
# Names that only a store gives; what else lies in its folder is not its own.
_OURS = re.compile(r"\d{6,}-[0-9a-f]{8}\.parquet|\.\d{6,}-[0-9a-f]{8}\.parquet\.tmp")


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that counts.

    Attributes:
        name: Its path within the store's folder.
        rows: How many attempts it holds.
        bytes: Its size.
        level: How often what it holds was merged.
        replaces: How many shards, the last ones of its set before it, it stands in for.
    """

    name: str
    rows: int
    bytes: int
    level: int = 0
    replaces: int = 0

    @property
    def failures(self) -> bool:
        """Whether it belongs to the side set."""
        return self.name.startswith(f"{FAILURES}/")


class Manifest:
    """The log: one line a shard, with a checksum of its own.

    A shard counts from the moment its line is on the disk. A last line that has no end was never
    acknowledged and is passed over; any other line that is not as it was written is damage. Adding
    costs the same however many shards there are, and the file never moves, so that it can carry
    the lock: only the writer takes it, and the system takes it back from a process that is killed.
    """

    def __init__(self, path: Path) -> None:
        """Read the log.

        Raises:
            StoreError: It is missing or damaged.
        """
        self._path = path
        self._length_bytes = 0
        self._lines = 0
        self._file: io.FileIO | None = None
        self._shards: dict[bool, list[Shard]] = {False: [], True: []}
        self.refresh()

    @property
    def writing(self) -> bool:
        """Whether this process is the writer."""
        return self._file is not None

    def shards(self, failures: bool) -> list[Shard]:
        """The shards of the main or of the side set, in the order of their rows."""
        return self._shards[failures]

    def rows(self, failures: bool) -> int:
        """How many attempts the shards of a set hold."""
        return sum(shard.rows for shard in self._shards[failures])

    def at(self, failures: bool, row: int) -> tuple[Shard, int]:
        """The shard that holds a row of a set, and the row it begins with.

        Raises:
            StoreError: The manifest became shorter than it was.
        """
        start = 0
        for shard in self._shards[failures]:
            if row < start + shard.rows:
                return shard, start
            start += shard.rows
        raise StoreError(f"{self._path} names fewer attempts than before; open the store again")

    def refresh(self) -> None:
        """Read on where the last reading ended.

        Raises:
            StoreError: The log is missing or damaged.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._length_bytes)
                content = file.read()
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be read ({error.strerror}); it says which shards count: "
                "restore it from a copy"
            ) from error
        lines, end, _ = content.rpartition(b"\n")
        if not end:
            return
        for line in lines.split(b"\n"):
            self._lines += 1
            self._apply(self._parse(line))
        self._length_bytes += len(lines) + 1

    def check_files(self) -> None:
        """See whether every shard that is named is there, and of its size.

        Raises:
            StoreError: One is not.
        """
        for shard in [*self._shards[False], *self._shards[True]]:
            path = self._path.parent / shard.name
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                # A writer may have merged it since the log was read.
                self.refresh()
                if shard in self._shards[shard.failures]:
                    raise damaged(path, "it is missing") from None
                continue
            if size != shard.bytes:
                raise damaged(path, f"{size} bytes instead of {shard.bytes}")

    def remove_unnamed_files(self) -> None:
        """Remove shards that were never acknowledged, or were merged into others; for the writer.

        Raises:
            OSError: One cannot be removed.
        """
        folder = self._path.parent
        named = {shard.name for shards in self._shards.values() for shard in shards}
        for file in [*folder.glob("*"), *(folder / FAILURES).glob("*")]:
            if _OURS.fullmatch(file.name) and str(file.relative_to(folder)) not in named:
                file.unlink()

    def lock(self) -> None:
        """Become the writer.

        Raises:
            StoreError: Another process or store is the writer, or the folder cannot be written to.
        """
        if self._file is not None:
            return
        try:
            file = io.FileIO(self._path, "r+")
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written to ({error.strerror})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StoreError(
                f"{self._path.parent} is being written to by another process, or by another "
                "TrajectoryStore of this one; wait until it ends or close it"
            ) from error
        self._file = file
        _writers.add(self)
        self.refresh()

    def commit(self, shards: Iterable[Shard]) -> None:
        """Make shards count; when this returns they do so after a loss of power too.

        Raises:
            OSError: There is no room, or the like; none of them counts.
            StoreError: This process is not the writer.
        """
        if self._file is None:
            raise StoreError(f"{self._path} is not locked; call lock() first")
        added = list(shards)
        content = b"".join(_line(shard) for shard in added)
        try:
            # A writer that died may have left a part of a line.
            self._file.truncate(self._length_bytes)
            self._file.seek(self._length_bytes)
            if self._file.write(content) != len(content):
                raise OSError(f"{self._path} took only a part of what was written to it")
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(self._length_bytes)
            raise
        self._length_bytes += len(content)
        self._lines += len(added)
        for shard in added:
            self._apply(shard)

    def unlock(self) -> None:
        """Be the writer no longer; again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _apply(self, shard: Shard) -> None:
        of_set = self._shards[shard.failures]
        del of_set[len(of_set) - shard.replaces :]
        of_set.append(shard)

    def _parse(self, line: bytes) -> Shard:
        checksum, _, body = line.partition(b" ")
        try:
            if int(checksum, 16) == zlib.crc32(body):
                return Shard(**json.loads(body))
        except (ValueError, TypeError):
            pass
        raise StoreError(
            f"{self._path} is damaged in line {self._lines}; it says which shards count: restore "
            "it from a copy"
        )


def _line(shard: Shard) -> bytes:
    body = json.dumps(asdict(shard)).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


# A forked child shares its parent's lock, and would keep it when the parent is killed.
_writers: weakref.WeakSet[Manifest] = weakref.WeakSet()


def _leave_locks_to_the_parent() -> None:
    for manifest in list(_writers):
        manifest.unlock()


os.register_at_fork(after_in_child=_leave_locks_to_the_parent)
