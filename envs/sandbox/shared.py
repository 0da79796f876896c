"""The sandboxes of this process, started when first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial

from reachgym.envs.sandbox.levels import SandboxSpec, open_sandbox, parse_sandbox
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import Sandbox
from reachgym.envs.types import JSON

_pools: dict[tuple[int, SandboxSpec], SandboxPool] = {}
_starting = threading.Lock()
# Never forked while held, or the child would wait for a thread it does not have.
os.register_at_fork(
    before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release
)


def shared_sandbox(spec: SandboxSpec = SandboxSpec()) -> Sandbox:
    """This process's sandboxes of one kind as one; they close themselves at exit.

    There are as many as processors at most, so that threads run code side by side. A fork starts
    its own. Nobody who shares it closes it.

    Args:
        spec: Which sandbox is wanted, by default the namespaces level with the default limits.

    Raises:
        SandboxError: This machine gives none that the spec allows; the text says why not.
    """
    key = os.getpid(), spec
    with _starting:
        if key not in _pools:
            _pools[key] = SandboxPool(partial(open_sandbox, spec), os.cpu_count() or 1)
        return _pools[key]


def sandbox_for(given: Mapping[str, JSON] | None) -> Callable[[], Sandbox]:
    """What gives the shared sandbox that an environment's `sandbox` argument describes.

    Args:
        given: As `parse_sandbox` reads it.

    Raises:
        ConfigError: A key, a level or a value is none of those known.
    """
    return partial(shared_sandbox, parse_sandbox(given))
