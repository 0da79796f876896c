"""What may be put into a sandbox's working directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reachgym.envs.errors import InputError


def checked_files(files: Mapping[str, bytes], file_bytes: int) -> dict[str, bytes]:
    """The files, if their paths stay inside and they fit.

    Raises:
        InputError: A path leads out of the working directory, or they are too large together.
    """
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
            raise InputError(
                f"expected file paths inside the working directory, got {name!r}: give a relative"
                " path without '..'"
            )
    size = sum(map(len, files.values()))
    if size > file_bytes:
        raise InputError(f"expected at most {file_bytes} bytes of files, got {size}")
    return dict(files)
