"""Builds the root file system of a jail: an interpreter, its standard library, nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from reachgym.envs.sandbox import kernel

PYTHON = "/usr/bin/python3"
PROGRAM = "/usr/lib/reachgym"
_STAGING = ("/dev/shm", "/mnt", "/media", "/tmp")
_DEVICES = ("null", "zero", "full", "random", "urandom")
# Their libraries would bring a window system along, or they exist to test the interpreter.
_UNWANTED_EXTENSIONS = ("_tkinter", "_test", "_ctypes_test", "xx")


def build(programs: list[str], copies: list[tuple[str, str]]) -> str:
    """Mount the jail's root somewhere in the caller's own mount namespace.

    Args:
        programs: Source files that must be importable inside.
        copies: Further files and their paths inside; those that are there already stay.

    Returns:
        The directory it is mounted on; nobody outside the mount namespace sees it.
    """
    stdlib = sysconfig.get_path("stdlib")
    executable = os.path.realpath(sys.executable)
    libraries = shared_libraries(stdlib, executable)
    root = _staging_directory([stdlib, executable, *libraries, *programs])
    kernel.mount("jail", root, "tmpfs", kernel.MS_NOSUID, "size=64m,mode=755")
    for folder in ("dev/shm", "tmp", "usr/bin", "usr/lib"):
        Path(root, folder).mkdir(parents=True)
    for link, target in (("lib", "usr/lib"), ("lib64", "usr/lib"), ("usr/lib64", "lib")):
        Path(root, link).symlink_to(target)
    _bind(executable, f"{root}{PYTHON}")
    _bind(stdlib, f"{root}/usr/lib/{Path(stdlib).name}")
    _hide_installed_packages(f"{root}/usr/lib/{Path(stdlib).name}")
    for library in libraries:
        _bind(library, f"{root}/usr/lib/{Path(library).name}")
    for link, target in soname_links(libraries).items():
        Path(root, "usr/lib", link).symlink_to(target)
    for program in programs:
        _bind(program, f"{root}{PROGRAM}/{Path(program).name}")
    for source, path in copies:
        if not Path(root + path).exists():
            shutil.copyfile(source, root + path)
            Path(root + path).chmod(0o755)
    for device in _DEVICES:
        _bind(f"/dev/{device}", f"{root}/dev/{device}")
    _make_read_only(root)
    return root


def enter(root: str) -> None:
    """Make `root` the root of the calling process, which has a mount namespace of its own."""
    # A mount inherited from a more privileged namespace is locked and cannot become the
    # root; a bind of it on itself can.
    kernel.mount(root, root, None, kernel.MS_BIND | kernel.MS_REC)
    os.chdir(root)
    kernel.pivot_root_here()
    _remount("/", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV)


def _staging_directory(sources: list[str]) -> str:
    for candidate in _STAGING:
        hides = any(Path(source).is_relative_to(candidate) for source in sources)
        if os.path.isdir(candidate) and not hides:
            return candidate
    raise OSError(f"none of {', '.join(_STAGING)} can carry the jail's root")


def shared_libraries(stdlib: str, executable: str) -> list[str]:
    """Every library that the interpreter or an extension module of the stdlib maps."""
    for extension in sorted(Path(stdlib, "lib-dynload").glob("*.so")):
        if not extension.name.startswith(_UNWANTED_EXTENSIONS):
            # One whose own libraries are missing cannot be imported on the host either.
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(extension))
    mapped = {
        fields[5]
        for fields in (line.split(maxsplit=5) for line in _lines("/proc/self/maps"))
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/")
    }
    return sorted(p for p in mapped - {executable} if not Path(p).is_relative_to(stdlib))


def soname_links(libraries: list[str]) -> dict[str, str]:
    """The links by which the loader finds e.g. `libz.so.1.3` as `libz.so.1`, and their targets."""
    wanted = {Path(library).name for library in libraries}
    links: dict[str, str] = {}
    for directory in {os.path.dirname(library) for library in libraries}:
        for entry in os.scandir(directory):
            if ".so" in entry.name and entry.is_symlink() and entry.name not in wanted:
                target = os.path.basename(os.readlink(entry.path))
                if target in wanted:
                    links.setdefault(entry.name, target)
    return links


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        Path(target).mkdir(parents=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)


def _hide_installed_packages(stdlib: str) -> None:
    packages = f"{stdlib}/site-packages"
    if os.path.isdir(packages):
        kernel.mount("nothing", packages, "tmpfs", kernel.MS_NOSUID, "size=4k,mode=755")


def _make_read_only(root: str) -> None:
    for line in _lines("/proc/self/mountinfo"):
        # Blanks in paths are written as octal escapes of bytes.
        escaped = line.split()[4].encode().decode("unicode_escape")
        point = escaped.encode("latin-1").decode()
        if Path(point).is_relative_to(root):
            device = Path(point).parent == Path(root, "dev")
            flags = kernel.MS_RDONLY | kernel.MS_NOSUID
            _remount(point, flags if device else flags | kernel.MS_NODEV)


def _remount(point: str, flags: int) -> None:
    # Flags inherited from a more privileged namespace must be repeated or the call fails.
    inherited = os.statvfs(point).f_flag & 0xF
    kernel.mount("none", point, None, kernel.MS_REMOUNT | kernel.MS_BIND | flags | inherited)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
