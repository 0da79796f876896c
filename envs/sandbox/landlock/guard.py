"""The program between a supervisor and its zygote: starts it, and cleans up when either is gone.

It runs in a fresh interpreter with an empty environment, and outlives a killed supervisor just
long enough to end all below it and to remove the folder for files.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import sysconfig
from dataclasses import asdict
from pathlib import Path

from reachgym.envs.sandbox import cgroup, jail, kernel, wire
from reachgym.envs.sandbox.guard import OUT_OF_MEMORY, UNPRIVILEGED_ID, Orders
from reachgym.envs.sandbox.landlock import descent, folder, ruleset
from reachgym.envs.sandbox.landlock.confinement import Place

_SYSTEM_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"
_PACKAGES = ("site-packages", "dist-packages")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ENDING_S = 5.0
# Beyond those that systems give to people, services and containers.
_FIRST_OWN_USER = 0x70000000


def main() -> None:
    """Run the zygote until it, the supervisor, or the pipe on standard input ends."""
    user = _user()
    if user != os.geteuid():
        _be_an_interpreter_for_all()
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    kernel.set_readable(False)
    kernel.adopt_orphans()
    folder.sweep()
    status = 1
    group = cgroup.create(orders.name, orders.memory_bytes, orders.processes)
    work = folder.make(orders.name, user)
    try:
        place = _place(orders, work, user)
        zygote = _start_zygote(orders, place, group)
        status = _wait_for_an_end(zygote, orders.owner_fd)
        if group.ran_out_of_memory():
            status = OUT_OF_MEMORY
    except OSError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        descent.end()
        folder.remove(work)
        group.remove()
    sys.exit(status)


def _user() -> int:
    """Who code runs as; under root one who runs nothing else, as the kernel limits users."""
    if os.geteuid() != 0:
        return os.geteuid()
    own = _FIRST_OWN_USER + os.getpid()
    maps = [Path("/proc/self", name).read_text() for name in ("uid_map", "gid_map")]
    return own if all(_maps(text, own) for text in maps) else UNPRIVILEGED_ID


def _maps(text: str, number: int) -> bool:
    spans = [[int(word) for word in line.split()] for line in text.splitlines()]
    return any(first <= number < first + count for first, _, count in spans)


def _be_an_interpreter_for_all() -> None:
    """Go on in the system's interpreter where root's own is closed to the unprivileged user."""
    if _open_to_all(sys.executable) and _open_to_all(sysconfig.get_path("stdlib")):
        return
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    other = shutil.which(name, path=_SYSTEM_PROGRAMS)
    if other is None or not _open_to_all(other):
        sys.exit(
            "code is never run as root, and no other user may read"
            f" {os.path.realpath(sys.executable)};"
            f" run as an ordinary user, or install {name} for all users"
        )
    os.execve(other, [other, *sys.orig_argv[1:]], {})


def _open_to_all(path: str) -> bool:
    real = Path(os.path.realpath(path))
    return all(part.stat().st_mode & 0o001 for part in (real, *real.parents))


def _place(orders: Orders, work: Path, user: int) -> Place:
    executable = os.path.realpath(sys.executable)
    stdlib = sysconfig.get_path("stdlib")
    libraries = jail.shared_libraries(stdlib, executable)
    programs = [executable, *_without_packages(stdlib), *libraries]
    programs += [source for source, _ in orders.copies]
    rules = [(ruleset.PROGRAM, path) for path in dict.fromkeys(programs)]
    # Modules are found by listing it, which shows the names of installed packages as well.
    rules += [(ruleset.READ_DIR, stdlib)]
    rules += [(ruleset.READ_FILE | ruleset.WRITE_FILE, f"/dev/{name}") for name in _DEVICES]
    path = ":".join(dict.fromkeys([os.path.dirname(executable), "/usr/bin", "/bin"]))
    return Place(ruleset.abi(), str(work), path, rules, user, os.getpid())


def _without_packages(stdlib: str) -> list[str]:
    """The standard library, part by part where other packages are installed in its midst."""
    parts = sorted(os.listdir(stdlib))
    if not set(parts) & set(_PACKAGES):
        return [stdlib]
    return [f"{stdlib}/{part}" for part in parts if part not in _PACKAGES]


def _start_zygote(orders: Orders, place: Place, group: cgroup.Group) -> int:
    pid = os.fork()
    if pid == 0:
        _become_zygote(orders, place)
    group.add(pid)
    with socket.socket(fileno=orders.control_fd) as control:
        # Who bounds memory without a control group is the zygote itself.
        folders = [str(each) for each in group.folders]
        about = {"zygote_pid": pid, "memory_limited": True, "groups": folders, "work": place.work}
        wire.send(control, wire.READY, json.dumps(about).encode())
    return pid


def _become_zygote(orders: Orders, place: Place) -> None:
    try:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(orders.control_fd, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        # A fixed hash seed: the same code prints its sets in the same order in every zygote.
        arguments = ["-s", "-S", "-P", "-B", "-X", "utf8", "-c", orders.bootstrap]
        package = str(Path(__file__).parent.parent)
        words = [package, "landlock.zygote", json.dumps(asdict(place))]
        os.execve(sys.executable, [sys.executable, *arguments, *words], {"PYTHONHASHSEED": "0"})
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def _wait_for_an_end(zygote: int, owner_fd: int) -> int:
    """Return the zygote's exit status once it is dead and buried, ending it if its owner is."""
    ended = os.pidfd_open(zygote)
    poll = select.poll()
    for fd in (ended, owner_fd, 0):
        poll.register(fd, select.POLLIN | select.POLLHUP)
    poll.poll()
    with contextlib.suppress(ProcessLookupError):
        # It ends what it runs, then itself.
        os.kill(zygote, signal.SIGTERM)
    if not select.select([ended], [], [], _ENDING_S)[0]:
        os.kill(zygote, signal.SIGKILL)
    return max(0, descent.bury(zygote))
