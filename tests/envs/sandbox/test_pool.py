"""A pool of sandboxes: side by side up to its size, whole again after a break, gone when closed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from reachgym.envs.errors import InputError, SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import SandboxLimits

LIMITS = SandboxLimits(wall_s=5.0)


class Counted:
    """Opens sandboxes of the namespaces level, and counts them."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self) -> NamespacesSandbox:
        self.opened += 1
        return NamespacesSandbox(LIMITS)


@pytest.fixture
def opener() -> Counted:
    return Counted()


@pytest.fixture
def pool(opener: Counted) -> Iterator[SandboxPool]:
    with SandboxPool(opener, size=2) as opened:
        yield opened


def test_one_sandbox_is_enough_for_one_caller(pool: SandboxPool, opener: Counted) -> None:
    assert [pool.exec(f"print({n})").stdout for n in range(5)] == [f"{n}\n" for n in range(5)]
    assert opener.opened == 1
    assert pool.level == "namespaces"


def test_callers_run_side_by_side_and_wait_where_all_are_busy(
    pool: SandboxPool, opener: Counted
) -> None:
    with ThreadPoolExecutor(8) as threads:
        code = "import time; print(time.monotonic()); time.sleep(0.3); print(time.monotonic())"
        ran = list(threads.map(lambda _: pool.exec(code).stdout.split(), range(6)))
    assert opener.opened == 2
    spans = [(float(start), float(end)) for start, end in ran]
    together = [sum(a <= start < b for a, b in spans) for start, _ in spans]
    assert max(together) == 2


def test_a_sandbox_that_broke_is_replaced(
    opener: Counted, descendants: Callable[[int], list[int]]
) -> None:
    before = set(descendants(os.getpid()))
    with SandboxPool(opener, size=2) as pool, ThreadPoolExecutor(1) as threads:
        own = [pid for pid in descendants(os.getpid()) if pid not in before]
        running = threads.submit(pool.exec, "import time; time.sleep(4)")
        time.sleep(0.3)
        for pid in own:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with pytest.raises(SandboxError):
            running.result()
        assert pool.exec("print(1)").stdout == "1\n"
        assert opener.opened == 2


def test_a_callers_mistake_breaks_nothing(pool: SandboxPool, opener: Counted) -> None:
    with pytest.raises(InputError):
        pool.exec("", files={"/etc/x": b""})
    assert pool.exec("print(1)").stdout == "1\n"
    assert opener.opened == 1


def test_sandboxes_are_replaced_after_so_many_executions(opener: Counted) -> None:
    with SandboxPool(opener, size=1, recycle_after=3) as pool:
        for _ in range(7):
            assert pool.exec("").exit_code == 0
        assert opener.opened == 3


def test_a_session_takes_no_place(opener: Counted) -> None:
    with SandboxPool(opener, size=1) as pool, pool.open_session() as session:
        session.run("x = 1")
        assert pool.exec("print(2)").stdout == "2\n"
        assert session.run("x").stdout == "1\n"


def test_closing_ends_every_process(
    opener: Counted,
    descendants: Callable[[int], list[int]],
    gone: Callable[[list[int]], bool],
) -> None:
    before = set(descendants(os.getpid()))
    pool = SandboxPool(opener, size=2)
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(pool.exec, "import time; time.sleep(0.5)") for _ in range(2)]
        time.sleep(0.3)
        own = [pid for pid in descendants(os.getpid()) if pid not in before]
        pool.close()
        assert [one.result().exit_code for one in running] == [0, 0]
    pool.close()
    assert gone(own)
    with pytest.raises(SandboxError, match="a closed one"):
        pool.exec("")
