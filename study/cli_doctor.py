"""`reachgym doctor`: which sandbox levels this machine gives, and how to get the others."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from reachgym.envs.sandbox.levels import Level, SandboxSpec
from reachgym.envs.sandbox.probe import Probe, probe

_COVERS: Mapping[Level, str] = {
    Level.DOCKER_GVISOR: "containers on a kernel of their own, in user space",
    Level.DOCKER: "containers",
    Level.NAMESPACES: "Linux namespaces and a system call filter; the default",
    Level.LANDLOCK: "Landlock and a system call filter; weaker",
}
_DOCKER = (
    "Install Docker (Debian, Ubuntu: `apt-get install docker.io`; Fedora: `dnf install"
    " moby-engine`), start it, and join the group docker or run it rootless."
)
_ON_LINUX: Mapping[Level, str] = {
    Level.DOCKER_GVISOR: (
        "Besides Docker, install gVisor's runsc (Debian: `apt-get install runsc`) and name it to"
        " Docker as the runtime runsc, with the argument --network=none."
    ),
    Level.DOCKER: _DOCKER,
    Level.NAMESPACES: (
        "Install libseccomp (Debian, Ubuntu: libseccomp2) and allow user namespaces"
        " (`sysctl kernel.unprivileged_userns_clone=1`; on Ubuntu also"
        " `kernel.apparmor_restrict_unprivileged_userns=0`), or run as root."
    ),
    Level.LANDLOCK: (
        "Install libseccomp (Debian, Ubuntu: libseccomp2); Linux 6.2 or newer is needed, with"
        " landlock in the list that the boot parameter lsm= gives."
    ),
}
_ON_WINDOWS = (
    "Use reachgym inside WSL 2 (`wsl --install`), which is Linux; Windows itself lacks what every"
    " level's programs need."
)
_ON_MACOS = (
    "Install Docker Desktop, pull an image with Python (`docker pull python:3.12-slim`), and"
    " configure `sandbox: {levels: [docker], image: python:3.12-slim}`."
)


def run_doctor(console: Console, image: str | None) -> bool:
    """Try every level and print what came of it; returns whether the default works."""
    console.print(
        f"{platform.system()} {platform.release()}, {platform.machine()},"
        f" Python {platform.python_version()}",
        highlight=False,
    )
    probes = [probe(level, image) for level in Level]
    console.print(_table(probes))
    for failed in (tried for tried in probes if not tried.works):
        console.print(f"[bold]{failed.level}[/bold] is not available here.", highlight=False)
        console.print(f"  why: {failed.why_not}", markup=False, highlight=False)
        console.print(f"  to get it: {_remedy(failed.level)}", markup=False, highlight=False)
    default = SandboxSpec().levels
    works = any(tried.works for tried in probes if tried.level in default)
    verdict = "works here" if works else "does not work here; configure one that does"
    console.print(
        f"Without a configuration, level {' or '.join(default)} is used; it {verdict}."
        " Another is used only where it is named, as in `sandbox: {levels: [docker]}`.",
        markup=False,
        highlight=False,
    )
    return works


def _table(probes: list[Probe]) -> Table:
    table = Table("level", "what it is", "here", "first start", "print(1)", "shell")
    for tried in probes:
        if tried.works:
            times = (f"{tried.start_s:.2f} s", f"{tried.exec_s * 1000:.1f} ms")
            table.add_row(
                tried.level, _COVERS[tried.level], "yes", *times, "yes" if tried.session else "no"
            )
        else:
            table.add_row(tried.level, _COVERS[tried.level], "no", "", "", "")
    return table


def _remedy(level: Level) -> str:
    if sys.platform == "linux":
        return _ON_LINUX[level]
    if sys.platform == "win32":
        return _ON_WINDOWS
    return _ON_MACOS if level is Level.DOCKER else "Linux only; use level docker."
