"""Environments of installed packages: found by entry point, imported when one is asked for."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import lru_cache

GROUP = "reachgym.envs"


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A package whose module could not be imported.

    Attributes:
        name: The entry point's name.
        module: The module that it names.
        error: What importing it raised.
    """

    name: str
    module: str
    error: str


@lru_cache(maxsize=1)
def load_plugins() -> tuple[BrokenPlugin, ...]:
    """Import the modules under the entry points of `GROUP`, once a process; tells the broken ones.

    A module registers its environments when it is imported, so every process that asks for one has
    it, Ray's workers included. One that cannot be imported keeps no other from being used.
    """
    broken = []
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            broken.append(BrokenPlugin(point.name, point.value, told))
    return tuple(broken)
