"""A shell and the usual small programs, as files that can be copied into a jail."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess

_WANTED = """
    sh bash awk basename cat chmod cmp comm cp cut date diff dirname env expr false find grep gzip
    head join ln ls md5sum mkdir mv od paste patch printf pwd rm rmdir sed seq sha256sum sleep sort
    stat tac tail tar tee test touch tr true uname uniq wc xargs
"""
_LIBRARY = re.compile(r"(?:=> |^\t)(/\S+) \(0x", re.MULTILINE)


@functools.cache
def shell_files() -> tuple[tuple[str, str], ...]:
    """Programs of this machine and their libraries: where each is, and where a jail has it.

    Empty where the machine has no shell or cannot tell what programs link to.
    """
    programs = {name: shutil.which(name, path="/usr/bin:/bin") for name in _WANTED.split()}
    found = {name: os.path.realpath(path) for name, path in programs.items() if path}
    listing = shutil.which("ldd")
    if "sh" not in found or listing is None:
        return ()
    linked = subprocess.run(
        [listing, *sorted(set(found.values()))], capture_output=True, text=True, check=False
    )
    libraries = sorted(set(_LIBRARY.findall(linked.stdout)))
    inside = [(path, f"/usr/bin/{name}") for name, path in sorted(found.items())]
    inside += [(os.path.realpath(path), f"/usr/lib/{os.path.basename(path)}") for path in libraries]
    return tuple(inside)
