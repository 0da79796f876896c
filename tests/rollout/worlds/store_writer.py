"""A process that writes to a store until it is killed, and says what was acknowledged.

    python store_writer.py FOLDER ACKNOWLEDGED [ROWS]

Every append is of one to three attempts, some of which fail; its numbers go to the file of what
was acknowledged once `append` has returned.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from reachgym.agents.protocol import Completion
from reachgym.envs.errors import StoreError
from reachgym.envs.types import Message, StopReason, Verdict
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import AttemptKey, Failure, Trajectory, Turn


def attempt(number: int, failed: bool = False, text: str = "said") -> Trajectory:
    """An attempt that is told by its number."""
    return Trajectory(
        key=AttemptKey(f"{number:016x}", number, "base", 1),
        task_id=f"task/{number}",
        family="f",
        split="train",
        env='{"id": "test/Echo-v0", "kwargs": {}}',
        policy_version=1,
        opening=(Message("user", "Who?"),),
        turns=(Turn(Completion(Message("assistant", text))),),
        verdict=Verdict(None, None) if failed else Verdict(1.0, True),
        stop_reason=StopReason.FAILED if failed else StopReason.ANSWERED,
        failure=Failure("OSError", "gone") if failed else None,
    )


def write(folder: Path, acknowledged: Path) -> None:
    """Append without end, from where the file of what was acknowledged ends."""
    known = acknowledged.read_text().split() if acknowledged.exists() else []
    store = TrajectoryStore(folder)
    with acknowledged.open("a") as file:
        number = len(known)
        for size in itertools.cycle((1, 3, 2)):
            numbers = range(number, number + size)
            # Every fifth fails first, and is made again right after.
            store.append(attempt(n, failed=n % 5 == 0) for n in numbers)
            store.append(attempt(n) for n in numbers if n % 5 == 0)
            file.writelines(f"{n}\n" for n in numbers)
            file.flush()
            number += size


def fill(folder: Path, rows: int) -> None:
    """Append until the disk is full; prints how many were acknowledged, and the error."""
    store = TrajectoryStore(folder)
    for number in range(rows):
        try:
            # Random text does not compress.
            store.append([attempt(number, text=os.urandom(20_000).hex())])
        except StoreError as error:
            print(number, error)
            return
    raise SystemExit("the disk never became full")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        fill(Path(sys.argv[1]), int(sys.argv[3]))
    else:
        write(Path(sys.argv[1]), Path(sys.argv[2]))
