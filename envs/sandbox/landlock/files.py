"""Whether files that are put into a sandbox have room there, before any is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reachgym.envs.errors import InputError
from reachgym.envs.sandbox.files import checked_files
from reachgym.envs.sandbox.sizes import INODES

_BLOCK_BYTES = 4096


def check_room(files: Mapping[str, bytes], file_bytes: int) -> None:
    """Do nothing if they fit; code that were given more would be killed for it.

    Raises:
        InputError: A path leads out of the working directory, or they take more space, or are more
            with their folders, than there may be.
    """
    checked_files(files, file_bytes)
    size = sum(-(-len(content) // _BLOCK_BYTES) for content in files.values()) * _BLOCK_BYTES
    paths = {path for name in files for path in (PurePosixPath(name), *PurePosixPath(name).parents)}
    if size > file_bytes or len(paths) > INODES:
        raise InputError(
            f"expected at most {INODES} files and folders that take {file_bytes} bytes on disk, got"
            f" {len(paths)} that take {size}"
        )
