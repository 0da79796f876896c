"""Sessions of the namespaces level, as the host sees them."""

from __future__ import annotations

import os
from collections.abc import Callable

from reachgym.envs.sandbox.namespaces import NamespacesSandbox


def test_a_closed_session_leaves_no_process(
    sandbox: NamespacesSandbox,
    descendants: Callable[[int], list[int]],
    gone: Callable[[list[int]], bool],
) -> None:
    before = set(descendants(os.getpid()))
    session = sandbox.open_session()
    session.shell("sleep 100 & sleep 100 & true")
    own = [pid for pid in descendants(os.getpid()) if pid not in before]
    assert len(own) >= 4
    session.close()
    assert gone(own)


BETWEEN_CALLS = """
import time
from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.protocol import SandboxLimits
from reachgym.envs.sandbox.namespaces import NamespacesSession
try:
    session = NamespacesSession(SandboxLimits(memory_bytes=128 * 2**20))
except SandboxError as error:
    print("no sandbox", error)
    raise SystemExit
hog = b"import time; time.sleep(.3); x = bytearray(b'x') * (90 << 20); time.sleep(60)"
session.write({"hog.py": hog})
session.shell("for n in 1 2 3; do python3 hog.py >/dev/null 2>&1 & done")
time.sleep(2)
lost = session.run("1")
print(lost.outcome, lost.stderr.strip(), session.run("2").stdout.strip())
"""


def test_memory_taken_between_calls_is_bounded_without_control_groups(
    as_ordinary_user: Callable[[str], str],
) -> None:
    told = as_ordinary_user(BETWEEN_CALLS).strip()
    assert told == "killed out of memory: the session's names and files are gone 2"
