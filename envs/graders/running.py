"""Runs in the sandbox, with the candidate: a whole program, and afterwards the files it left.

Everything here is in the candidate's reach, and is believed no more than the candidate itself.
"""

from __future__ import annotations

import base64
import contextlib
import os
import stat
import sys
import tempfile
import types

from reachgym.envs.graders.frames import READY, FrameWriter

MISSING = "-"


def run_program(source: str, text: str) -> None:
    """Run the candidate as main module, with `text` on its standard input."""
    with tempfile.TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        os.dup2(given.fileno(), 0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    # A chatty standard error must not count as too much output.
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    _run(source)


def run_and_show_files(nonce: str, source: str, paths: list[str]) -> None:
    """Run the candidate as main module, then send each regular file, or that it is missing."""
    writer = FrameWriter(nonce)
    with contextlib.suppress(SystemExit):
        _run(source)
    writer.write(READY)
    for path in paths:
        writer.write(_content(path))
    os._exit(0)


def _run(source: str) -> None:
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    # Running the candidate is what this program is for; the sandbox holds it.
    exec(compile(source, "<solution>", "exec"), main.__dict__)  # noqa: S102


def _content(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return MISSING
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return MISSING
    with open(descriptor, "rb") as stream:
        return base64.b64encode(stream.read()).decode()
