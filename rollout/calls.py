"""Answers of workers: what they returned, what they raised, and which errors mean their death."""

from __future__ import annotations

from typing import Any, TypeAlias

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

# A reference to what a call will return; Ray has no types for it.
Call: TypeAlias = Any
# What a worker answered may lie on its node and be lost with it, so that a lost object is a death.
KILLED = (RayActorError, NodeDiedError, OutOfMemoryError, WorkerCrashedError, ObjectLostError)


def fetch(call: Call) -> Any:  # noqa: ANN401 - whatever the worker's method returns
    """What a call returned; what it raised is raised as it was, without Ray's frame around it."""
    try:
        return ray.get(call)
    except RayTaskError as error:
        raise error.cause from error


def never_ran(error: BaseException) -> bool:
    """Whether an actor died before its first line, as it was sent to a node that was dead."""
    return "never ran" in str(error)
