"""What processes keep by having it open: files that have no name any more, and full sockets.

System call filters see to it that no descriptor is on its way from one process to another, where it
could not be seen, and that no socket's buffer is enlarged.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.sandbox.landlock.folder import BLOCK_BYTES

_BUFFER = Path("/proc/sys/net/core/wmem_default")
_USUAL_BUFFER_BYTES = 212_992
# One message may go past the buffer's size.
_MESSAGE_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Kept:
    """What some processes have open.

    Attributes:
        unlinked_bytes: On disk, of files without a name, open or mapped.
        sockets: How many.
    """

    unlinked_bytes: int
    sockets: int


def kept_open(pids: list[int], device: int) -> Kept:
    """What these processes keep; `device` is the file system of their files."""
    unlinked: dict[int, int] = {}
    sockets: set[int] = set()
    for pid in pids:
        # It may end meanwhile.
        with contextlib.suppress(OSError):
            for about in _open_files(pid):
                if stat.S_ISSOCK(about.st_mode):
                    sockets.add(about.st_ino)
                elif about.st_nlink == 0 and (about.st_dev, about.st_rdev) == (device, 0):
                    unlinked[about.st_ino] = about.st_blocks * BLOCK_BYTES
            for inode, size_bytes in _mapped_without_name(pid, device):
                unlinked[inode] = max(size_bytes, unlinked.get(inode, 0))
    return Kept(sum(unlinked.values()), len(sockets))


def most_on_its_way() -> int:
    """Bytes that were sent through a socket and not received yet, at most."""
    with contextlib.suppress(OSError):
        return int(_BUFFER.read_text()) + _MESSAGE_BYTES
    return _USUAL_BUFFER_BYTES + _MESSAGE_BYTES


def _open_files(pid: int) -> Iterator[os.stat_result]:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            yield os.stat(f"/proc/{pid}/fd/{name}")


def _mapped_without_name(pid: int, device: int) -> Iterator[tuple[int, int]]:
    """Nobody tells how much is in them, so all that is mapped counts."""
    content = Path(f"/proc/{pid}/maps").read_bytes()
    # Most often there is none, and this is looked at often.
    for line in content.splitlines() if b" (deleted)\n" in content else ():
        if line.endswith(b" (deleted)"):
            span, _, _, number, inode, _ = line.split(maxsplit=5)
            major, minor = (int(part, 16) for part in number.split(b":"))
            if os.makedev(major, minor) == device:
                start, end = (int(part, 16) for part in span.split(b"-"))
                yield int(inode), end - start
