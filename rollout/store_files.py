"""Files of a store: written whole or not at all, and read with what damages them named."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reachgym.envs.errors import StoreError

# Rows that are read and decompressed together: few, so that one of them is soon there; the fewer,
# the larger the file (4 % here, 20 % with a quarter as many).
_GROUP_ROWS = 4096


def write_whole(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file so that after a crash or a loss of power it is there whole or not at all.

    Raises:
        OSError: There is no room, or the like; nothing is left of the file.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_shard(path: Path, rows: pa.Table) -> int:
    """Write rows as Parquet, with a checksum in every page; returns the file's size in bytes.

    Raises:
        OSError: As `write_whole`.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows, sink, row_group_size=_GROUP_ROWS, compression="zstd", write_page_checksum=True
    )
    content = sink.getvalue()
    if not path.parent.exists():
        path.parent.mkdir()
        sync_folder(path.parent.parent)
    write_whole(path, content)
    return int(content.size)


def read_shard(path: Path, rows: int, columns: list[str] | None) -> pa.Table:
    """Read a shard, all columns or some of them.

    Raises:
        FileNotFoundError: There is no such file.
        StoreError: It is damaged, or has not as many rows.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, first_line(error)) from error
    if table.num_rows != rows:
        raise damaged(path, f"{table.num_rows} rows instead of {rows}")
    return table


def read_group(path: Path, row: int) -> tuple[int, pa.Table]:
    """Read the rows of a shard that are stored together with one; returns the first's number too.

    Raises:
        FileNotFoundError: There is no such file.
        StoreError: It is damaged, or has no such row.
    """
    first = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row < first + rows:
                    return first, file.read_row_group(group)
                first += rows
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, first_line(error)) from error
    raise damaged(path, f"{first} rows, and row {row} is asked for")


def damaged(path: Path, why: str) -> StoreError:
    """What to raise of a shard that is not as it was written."""
    return StoreError(
        f"{path} is not the shard of trajectories that was written ({why}); restore it from a copy"
    )


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
