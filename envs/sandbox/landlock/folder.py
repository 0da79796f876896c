"""The folder in which one sandbox's code writes: made, measured, emptied, and swept when left."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

_WORK = "work"
_PREFIX = "reachgym-"
_BLOCK_BYTES = 512


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


def usage(folder: str) -> tuple[int, int]:
    """Bytes on disk, and number, of all files and folders below a folder that code may change.

    Raises:
        OSError: They lie too deep to be reached by their paths.
    """
    size_bytes = number = 0
    waiting = [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except (FileNotFoundError, NotADirectoryError):
            # Moved meanwhile.
            continue
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                size_bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                number += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return size_bytes, number


def empty(folder: str) -> None:
    """Remove all that is in a folder that nobody changes any more, however deep it lies."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
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


def _remove(fd: int, name: str) -> None:
    """Remove an entry; the folders within a folder move up to its side and have their turn."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=fd)
        return
    # Code may have made it so that it cannot be opened.
    os.chmod(name, 0o700, dir_fd=fd)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
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
