"""One sandbox per process, started when first asked for."""

from __future__ import annotations

import os
import threading

from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.protocol import Sandbox

_sandboxes: dict[int, NamespacesSandbox] = {}
_starting = threading.Lock()
# Never forked while held, or the child would wait for a thread it does not have.
os.register_at_fork(
    before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release
)


def shared_sandbox() -> Sandbox:
    """This process's sandbox, with the default limits; it closes itself at exit.

    A fork starts one of its own. Nobody who shares it closes it.

    Raises:
        SandboxError: This machine cannot give the isolation; the text names what is missing.
    """
    with _starting:
        if os.getpid() not in _sandboxes:
            _sandboxes[os.getpid()] = NamespacesSandbox()
        return _sandboxes[os.getpid()]
