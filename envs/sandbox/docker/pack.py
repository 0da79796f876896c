"""Packs this machine's interpreter, its standard library and a shell into the files of an image.

It runs in an interpreter of its own: finding what extension modules link to loads them all.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

from reachgym.envs.sandbox import jail
from reachgym.envs.sandbox.shell_programs import shell_files

# Installed packages, caches, and what tests or embeds the interpreter.
_LEFT_OUT = ("site-packages", "dist-packages", "__pycache__", "test", "idlelib", "ensurepip")
_LEFT_OUT_PREFIXES = ("config-", "_test", "_tkinter", "_ctypes_test", "xx")
# Docker mounts on these, and cannot make them where the root is read-only.
_FOLDERS = ("dev", "etc", "proc", "sys", "tmp", "usr", "usr/bin", "usr/lib")
_LINKS = {"lib": "usr/lib", "lib64": "usr/lib", "usr/lib64": "lib", "bin": "usr/bin"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What the image holds, by path inside.

    Attributes:
        files: Where each file's content is on this machine.
        links: Where each symbolic link points.
    """

    files: dict[str, str]
    links: dict[str, str]


def main() -> None:
    """Print what the image holds in a few characters, or write it to standard output as a tar."""
    contents = _find()
    if sys.argv[3] == "fingerprint":
        sys.stdout.write(_fingerprint(contents))
    else:
        _write(contents)


def _find() -> Contents:
    stdlib = sysconfig.get_path("stdlib")
    executable = os.path.realpath(sys.executable)
    libraries = jail.shared_libraries(stdlib, executable)
    inside = f"usr/lib/{Path(stdlib).name}"
    files = {jail.PYTHON.lstrip("/"): executable}
    for folder, folders, names in os.walk(stdlib):
        folders[:] = sorted(name for name in folders if _wanted(name))
        where = os.path.normpath(os.path.join(inside, os.path.relpath(folder, stdlib)))
        files |= {f"{where}/{name}": f"{folder}/{name}" for name in sorted(names) if _wanted(name)}
    files |= {f"usr/lib/{Path(path).name}": path for path in libraries}
    for path, place in shell_files():
        files.setdefault(place.lstrip("/"), path)
    links = {f"usr/lib/{link}": target for link, target in jail.soname_links(libraries).items()}
    return Contents(files, {k: v for k, v in (_LINKS | links).items() if k not in files})


def _wanted(name: str) -> bool:
    return name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)


def _fingerprint(contents: Contents) -> str:
    """Changes whenever the image would: every path, every size and every time of change."""
    lines = [f"{path} -> {target}" for path, target in sorted(contents.links.items())]
    for path, source in sorted(contents.files.items()):
        about = os.stat(source)
        lines.append(f"{path} {source} {about.st_size} {about.st_mtime_ns} {about.st_ino}")
    packer = Path(__file__).read_text()
    return hashlib.sha256("\n".join([packer, *lines]).encode()).hexdigest()[:16]


def _write(contents: Contents) -> None:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", dereference=True) as tar:
        for path in _FOLDERS:
            tar.addfile(_entry(path, tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755))
        for path, target in contents.links.items():
            link = _entry(path, tarfile.SYMTYPE, 0o777)
            link.linkname = target
            tar.addfile(link)
        for path, source in contents.files.items():
            with open(source, "rb") as file:
                about = os.fstat(file.fileno())
                entry = _entry(path, tarfile.REGTYPE, 0o755 if about.st_mode & 0o111 else 0o644)
                entry.size, entry.mtime = about.st_size, int(about.st_mtime)
                tar.addfile(entry, file)


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    return entry
