"""The sandboxes of this process, started when first asked for."""

from __future__ import annotations

import os
import threading

from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import Sandbox

_pools: dict[int, SandboxPool] = {}
_starting = threading.Lock()
# Never forked while held, or the child would wait for a thread it does not have.
os.register_at_fork(
    before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release
)


def shared_sandbox() -> Sandbox:
    """This process's sandboxes as one, with the default limits; they close themselves at exit.

    There are as many as processors at most, so that threads run code side by side. A fork starts
    its own. Nobody who shares it closes it.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """
    with _starting:
        if os.getpid() not in _pools:
            _pools[os.getpid()] = SandboxPool(NamespacesSandbox, os.cpu_count() or 1)
        return _pools[os.getpid()]
