"""The folder in which one sandbox's code writes: made, measured, emptied, and swept when left."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_WORK = "work"
_PREFIX = "reachgym-"
BLOCK_BYTES = 512
_LONGEST_PATH = 2000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(name: str, user: int) -> Path:
    """Make a folder for files, and one within it, owned by `user`, for code to write to.

    Args:
        name: Begins the folder's name, and with it the process id of its owner.
        user: Who shall own it.
    """
    started = _start_of(name.removeprefix(_PREFIX).split("-")[0])
    top = Path(tempfile.mkdtemp(prefix=f"{name}-{started}-"))
    work = top / _WORK
    work.mkdir(mode=0o700)
    if user != os.geteuid():
        top.chmod(0o711)
        os.chown(work, user, user)
    return work


def usage(folder: str, most: int) -> tuple[int, int]:
    """Bytes on disk, and number, of files and folders below a folder that code may change.

    Args:
        folder: What is looked through.
        most: Past this number nothing more is counted.

    Raises:
        OSError: Some of it cannot be opened.
    """
    size_bytes = number = 0
    with contextlib.ExitStack() as stack:
        waiting = [(_open(folder), "")]
        stack.callback(os.close, waiting[0][0])
        while waiting and number <= most:
            anchor, path = waiting.pop()
            try:
                fd = _open(path or ".", anchor)
            except (FileNotFoundError, NotADirectoryError):
                # Moved meanwhile.
                continue
            if len(path) > _LONGEST_PATH:
                # The kernel takes no path that is much longer, but one that starts deeper.
                anchor, path = os.dup(fd), ""
                stack.callback(os.close, anchor)
            for name, about in _entries(fd):
                number += 1
                if number > most:
                    break
                if stat.S_ISDIR(about.st_mode):
                    waiting.append((anchor, f"{path}/{name}" if path else name))
                else:
                    size_bytes += about.st_blocks * BLOCK_BYTES
    return size_bytes, number


def empty(folder: str) -> None:
    """Remove all that is in a folder that nobody changes any more, however deep it lies."""
    fd = _open(folder)
    try:
        while names := os.listdir(fd):
            for name in names:
                _remove(fd, name)
    finally:
        os.close(fd)


def remove(work: Path) -> None:
    """Remove what `make` made; what is gone already is no matter."""
    with contextlib.suppress(FileNotFoundError):
        empty(str(work))
        work.rmdir()
    with contextlib.suppress(OSError):
        work.parent.rmdir()


def sweep() -> None:
    """Remove what was left by sandboxes of this user that were killed before they could."""
    for top in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*-*-*"):
        with contextlib.suppress(OSError):
            about = top.lstat()
            _, owner, _, started, _ = top.name.split("-", 4)
            own = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
            if own and owner.isdigit() and _start_of(owner) != started:
                remove(top / _WORK)


def _open(path: str, anchor: int | None = None) -> int:
    return os.open(path, _FOLDER, dir_fd=anchor)


def _entries(fd: int) -> Iterator[tuple[str, os.stat_result]]:
    """What is in an open folder, which is closed at the end."""
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False)
    finally:
        os.close(fd)


def _remove(fd: int, name: str) -> None:
    """Remove an entry; the folders within a folder move up to its side and have their turn."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=fd)
        return
    inner = _open(name, fd)
    try:
        for entry in os.listdir(inner):
            if stat.S_ISDIR(os.stat(entry, dir_fd=inner, follow_symlinks=False).st_mode):
                os.rename(entry, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=fd)
            else:
                os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=fd)


def _start_of(pid: str) -> str:
    """When the process started, in the kernel's ticks; "0" for one that is gone."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        return "0"
