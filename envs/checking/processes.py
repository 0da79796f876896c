"""Checks of what lies around an environment: vectors, other processes, what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gymnasium

from reachgym.envs.checking.finding import Check, Found
from reachgym.envs.checking.playing import of_split
from reachgym.envs.checking.subject import Subject
from reachgym.envs.registration import make
from reachgym.envs.types import SPLITS, Message

_FRESH = """
import json, sys
from reachgym.envs.checking.playing import posed
from reachgym.envs.errors import InputError
from reachgym.envs.registration import EnvRef, make
spec = json.loads(sys.argv[1])
try:
    env = make(EnvRef(spec["id"], spec["kwargs"]))
except InputError:
    print("null")
else:
    print(json.dumps([task.hash for task in posed(env, int(sys.argv[2]))]))
"""
_WAIT_S = 120
_CLOSED = 3
_ROUNDS = 3


def vector_check(subject: Subject) -> Check:
    """Two of them run as one vector, in this process and in others."""

    def check() -> Found:
        for mode, options in (("sync", {}), ("async", {"shared_memory": False})):
            vector = gymnasium.make_vec(
                subject.ref.id,
                num_envs=2,
                vectorization_mode=mode,
                vector_kwargs=options,
                **dict[str, Any](subject.ref.kwargs),
            )
            try:
                observed, _ = vector.reset(seed=0)
                if len(observed) != 2:
                    yield f"a {mode} vector of two observed {len(observed)}", True
                answers = (Message("assistant", "é"), Message("assistant", "ü"))
                ended = vector.step(answers)[2]
                if not all(ended):
                    yield f"in a {mode} vector answers ended {list(ended)}, not both episodes", True
            finally:
                vector.close()

    return check


def closing_check(subject: Subject) -> Check:
    """Nothing is left of an environment that was closed."""

    def check() -> Found:
        _episode(subject)  # What all environments of the process share is there from now on.
        # Sandboxes that all share are opened ahead, meanwhile; what is left behind grows each time.
        grown = [_growth(subject) for _ in range(_ROUNDS)]
        kinds = ("threads", "descriptors", "processes")
        for what, left in zip(kinds, zip(*grown, strict=True), strict=True):
            if min(left) >= _CLOSED:
                yield f"{_CLOSED} environments were closed and left {left[-1]} {what} behind", True

    return check


def _growth(subject: Subject) -> tuple[int, ...]:
    before = _held()
    for _ in range(_CLOSED):
        _episode(subject)
    return tuple(after - had for after, had in zip(_held(), before, strict=True))


def _episode(subject: Subject) -> None:
    env = make(subject.ref)
    env.reset(options={"task": subject.posed[0]})
    if subject.oracle is not None:
        opening, _ = env.reset(options={"task": subject.posed[0]})
        env.step(subject.oracle(opening))
    env.close()


def _held() -> tuple[int, int, int]:
    """Threads, descriptors and child processes; of the latter none where there is no /proc."""
    folder = "/proc/self/fd"
    descriptors = len(os.listdir(folder)) if os.path.isdir(folder) else 0
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return threading.active_count(), descriptors, sum(map(len, children))


def process_check(subject: Subject) -> Check:
    """Another process, with another order of sets, draws the same tasks.

    An environment that only this process has registered is passed over.
    """

    def check() -> Found:
        fresh = subprocess.run(
            [sys.executable, "-c", _FRESH, subject.ref.text, str(subject.tasks)],
            env={**os.environ, "PYTHONHASHSEED": "4242"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_WAIT_S,
        )
        if fresh.returncode:
            yield f"a fresh process failed: {fresh.stderr.strip().splitlines()[-1:]}", True
            return
        hashes = json.loads(fresh.stdout.splitlines()[-1])
        own = [
            task.hash for split in SPLITS for task in of_split(subject.env, split, subject.tasks)
        ]
        if hashes is not None and hashes != own:
            differ = sum(a != b for a, b in zip(hashes, own, strict=False))
            yield f"a fresh process draws {differ} of {len(own)} tasks otherwise", True

    return check
