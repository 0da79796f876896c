"""Memory and process limits on a whole sandbox, where a control group is ours to make."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_WANTED = ("memory", "pids")
# A share of the processors of its own, or else every process group of code has one and many take
# all. In version 2 it comes with the group.
_WANTED_ALONE = (*_WANTED, "cpu")
_PREFIX = "reachgym-"
_REMOVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Group:
    """The control groups of one sandbox: one in version 2, one per controller in version 1.

    Attributes:
        folders: Where they are.
        memory: Whether the memory limit holds.
    """

    folders: tuple[Path, ...]
    memory: bool

    def add(self, pid: int) -> None:
        """Move the process; its later children start inside."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", str(pid))

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed a member for memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                for line in _read(folder / name).splitlines():
                    if line.startswith("oom_kill ") and line != "oom_kill 0":
                        return True
        return False

    def remove(self) -> None:
        """Remove the empty groups; members that are still dying are waited for."""
        deadline = time.monotonic() + _REMOVAL_S
        for folder in self.folders:
            while folder.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.01)


def name_for(owner_pid: int, serial: int) -> str:
    """The name of the groups of a supervisor's sandbox."""
    return f"{_PREFIX}{owner_pid}-{serial}"


def create(name: str, memory_bytes: int, processes: int) -> Group:
    """Make what groups the machine allows; none where none is writable.

    Args:
        name: The new groups' name.
        memory_bytes: Limit on all members together, swap included.
        processes: Limit on members.
    """
    limits = {
        "memory.max": str(memory_bytes),
        "memory.swap.max": "0",
        "memory.limit_in_bytes": str(memory_bytes),
        "memory.memsw.limit_in_bytes": str(memory_bytes),
        "pids.max": str(processes),
    }
    made: dict[str, Path] = {}
    for controllers, parents in _hierarchies():
        missing = tuple(c for c in controllers if c in _WANTED_ALONE and c not in made)
        folder = _first_writable(parents, name, missing) if missing else None
        if folder is not None and _limit(folder, limits, missing):
            made |= dict.fromkeys(missing, folder)
    folders = tuple(dict.fromkeys(made.values()))
    return Group(folders, "memory" in made)


def _hierarchies() -> list[tuple[tuple[str, ...], list[Path]]]:
    """Controllers and candidate parents, nearest first, of every mounted hierarchy."""
    roots: dict[str, tuple[Path, str]] = {}
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        mount, _, source = line.partition(" - ")
        kind, _, options = source.split(maxsplit=2)
        root, point = mount.split()[3:5]
        if kind == "cgroup2":
            roots[""] = (Path(point), root)
        elif kind == "cgroup":
            roots |= dict.fromkeys(options.split(","), (Path(point), root))
    found = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, names, path = line.split(":", 2)
        controllers = tuple(names.split(",")) if names else ("",)
        if controllers[0] in roots:
            top, visible = roots[controllers[0]]
            inside = top / path.removeprefix(visible).strip("/")
            own = inside if inside.is_dir() else top
            # Version 2 forbids groups beside processes, so an ancestor may have to do.
            ancestors = [p for p in own.parents if p.is_relative_to(top)]
            parents = [own] if names else [own, *ancestors]
            found.append((controllers if names else _WANTED, parents))
    return found


def _first_writable(parents: list[Path], name: str, controllers: tuple[str, ...]) -> Path | None:
    for parent in parents:
        _sweep(parent)
        enabled = parent / "cgroup.subtree_control"
        if enabled.exists() and not set(controllers) <= set(_read(enabled).split()):
            continue
        with contextlib.suppress(OSError):
            (parent / name).mkdir()
            return parent / name
    return None


def _sweep(parent: Path) -> None:
    """Remove what guards left that were killed before they could; the kernel keeps used groups."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.split("-")[1]
        if not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _limit(folder: Path, limits: dict[str, str], controllers: tuple[str, ...]) -> bool:
    """Set the limits of `controllers`; a group that refuses is removed again."""
    try:
        for file, value in limits.items():
            if file.split(".")[0] in controllers and (folder / file).exists():
                _write(folder / file, value)
    except OSError:
        folder.rmdir()
        return False
    return os.access(folder / "cgroup.procs", os.W_OK)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, value: str) -> None:
    with path.open("w") as file:
        file.write(value)
