"""Removes the files that an execution left in a container."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import NoReturn

from reachgym.envs.sandbox import execution

FOLDERS = (execution.WORK, "/dev/shm")
_LONGEST_S = 5


def left_files() -> list[str]:
    """Names of what lies in the folders that code may write into."""
    return [name for folder in FOLDERS for name in os.listdir(folder)]


def remove_files(setup: execution.Setup) -> NoReturn:
    """As the user whose files they are, and with no more powers, remove all files."""
    setup.lock_down()
    signal.alarm(_LONGEST_S)
    for folder in FOLDERS:
        with contextlib.suppress(OSError):
            _empty(folder)
    os._exit(0)


def _empty(folder: str) -> None:
    """Remove all below; what is deep is moved up first, so that no path grows long."""
    os.chdir(folder)
    serial = 0
    while names := os.listdir("."):
        for name in names:
            if not _is_folder(name):
                os.unlink(name)
                continue
            os.chmod(name, 0o700)
            for inner in list(os.scandir(name)):
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner.path, 0o700)
                    serial += 1
                    os.rename(inner.path, f"{serial}.{os.urandom(8).hex()}")
                else:
                    os.unlink(inner.path)
            os.rmdir(name)


def _is_folder(name: str) -> bool:
    return os.path.isdir(name) and not os.path.islink(name)
