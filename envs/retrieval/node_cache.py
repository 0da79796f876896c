"""Folders that the processes of a node share: built once, whole or not there, bounded in size."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_BYTES = 8 * 2**30
_MANIFEST = "manifest.json"


def default_root() -> Path:
    """Where this user's caches are: `REACHGYM_CACHE`, else `XDG_CACHE_HOME`, else TMPDIR.

    A home is not taken by itself, for the nodes of a cluster share it.
    """
    told = os.environ.get("REACHGYM_CACHE")
    if told:
        return Path(told)
    xdg = os.environ.get("XDG_CACHE_HOME")
    if xdg:
        return Path(xdg) / "reachgym"
    return Path(tempfile.gettempdir()) / f"reachgym-{os.getuid()}"


class NodeCache:
    """Entries by key, each a folder of files that never change.

    Whoever asks first builds, under a lock that the kernel drops with its process; all others wait
    for it. Every entry is checked against its digests when it is asked for, and built again if it
    is damaged. Where entries take more than `most_bytes`, those go that were not asked for the
    longest; a process that has their files mapped keeps them.
    """

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES) -> None:
        """A cache in a folder of this user's own.

        Raises:
            OSError: It cannot be made, or others may write to it.
        """
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(root)
        self._root = root
        self._most_bytes = most_bytes

    def folder(self, key: str, build: Callable[[Path], None]) -> Path:
        """The entry of a key; `build` fills an empty folder if there is none.

        It may be removed at any time to make room: whoever finds it gone asks again.

        Raises:
            OSError: It cannot be written.
        """
        entry = self._root / key
        if not _is_whole(entry):
            with _locked(self._root / f"{key}.lock"):
                # Another process may have built it while this one waited.
                if not _is_whole(entry):
                    self._build(entry, build)
        (entry / _MANIFEST).touch()
        return entry

    def _build(self, entry: Path, build: Callable[[Path], None]) -> None:
        for left in self._root.glob(f".{entry.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)  # Of a builder that was killed.
        draft = self._root / f".{entry.name}.{uuid.uuid4().hex[:8]}.tmp"
        draft.mkdir()
        try:
            build(draft)
            digests = {path.name: _digest(path) for path in sorted(draft.iterdir())}
            (draft / _MANIFEST).write_text(json.dumps(digests))
            if entry.exists():
                shutil.rmtree(entry)
            draft.rename(entry)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        self._make_room(entry)

    def _make_room(self, newest: Path) -> None:
        entries = [path.parent for path in self._root.glob(f"*/{_MANIFEST}")]
        sizes = {entry: _size(entry) for entry in entries}
        oldest_first = sorted(entries, key=_asked_for)
        while sum(sizes.values()) > self._most_bytes and oldest_first:
            entry = oldest_first.pop(0)
            if entry != newest:
                shutil.rmtree(entry, ignore_errors=True)
            del sizes[entry]


def _is_whole(entry: Path) -> bool:
    try:
        digests = json.loads((entry / _MANIFEST).read_text())
        return all(_digest(entry / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(entry: Path) -> int:
    try:
        return sum(path.stat().st_size for path in entry.iterdir())
    except OSError:
        return 0


def _asked_for(entry: Path) -> float:
    try:
        return (entry / _MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _require_private(root: Path) -> None:
    """Refuse a folder that another user could put files into, or could exchange."""
    own, above = root.lstat(), root.parent.stat()
    if own.st_uid != os.getuid() or own.st_mode & 0o022 or not stat.S_ISDIR(own.st_mode):
        raise PermissionError(f"{root} must be a folder that only its user can write to")
    exchangeable = above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX
    if exchangeable or above.st_uid not in (0, os.getuid()):
        raise PermissionError(f"{root.parent} lets others exchange {root.name}")
