"""Sessions opened ahead: fresh, alive, never more than asked for, gone when closed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from reachgym.envs.errors import SandboxError
from reachgym.envs.sandbox.namespaces import NamespacesSandbox, NamespacesSession
from reachgym.envs.sandbox.pool import SandboxPool
from reachgym.envs.sandbox.protocol import ExecResult, Outcome, SandboxLimits, Session
from reachgym.envs.sandbox.reserve import SessionReserve


class Place:
    """A session that does nothing but live and die."""

    alive = True

    def run(self, code: str) -> ExecResult:
        return ExecResult(Outcome.EXITED, 0, code, "", False, 0.0)

    def shell(self, command: str) -> ExecResult:
        return self.run(command)

    def write(self, files: dict[str, bytes]) -> None:
        return

    def read(self, path: str) -> bytes:
        return path.encode()

    def branch(self) -> Place:
        return Place()

    def close(self) -> None:
        self.alive = False

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Opener:
    """Opens places, remembers them, and fails when told to."""

    def __init__(self) -> None:
        self.opened: list[Place] = []
        self.broken = False

    def __call__(self) -> Session:
        if self.broken:
            raise SandboxError("no more")
        self.opened.append(Place())
        return self.opened[-1]


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def reserve(opener: Opener) -> Iterator[SessionReserve]:
    made = SessionReserve(opener, size=2)
    yield made
    made.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    """Whether something comes true within some seconds."""

    def wait(condition: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        return condition()

    return wait


def test_nothing_is_opened_before_the_first_is_asked_for(
    reserve: SessionReserve, opener: Opener
) -> None:
    assert opener.opened == []


def test_each_taker_gets_a_session_of_its_own_and_some_wait(
    reserve: SessionReserve, opener: Opener, eventually
) -> None:
    first = reserve.take()
    assert eventually(lambda: len(opener.opened) == 3)
    waiting = [place for place in opener.opened if place is not first]
    assert [reserve.take(), reserve.take()] == waiting
    assert eventually(lambda: len(opener.opened) == 5)


def test_one_that_died_while_it_waited_is_passed_over(
    reserve: SessionReserve, opener: Opener, eventually
) -> None:
    first = reserve.take()
    assert eventually(lambda: len(opener.opened) == 3)
    dead, living = (place for place in opener.opened if place is not first)
    dead.alive = False
    assert reserve.take() is living


def test_a_failure_to_open_is_told_to_whoever_needs_one(
    reserve: SessionReserve, opener: Opener
) -> None:
    opener.broken = True
    with pytest.raises(SandboxError, match="no more"):
        reserve.take()
    opener.broken = False
    assert reserve.take().alive


def test_closing_closes_those_that_wait_and_not_those_in_use(
    reserve: SessionReserve, opener: Opener, eventually
) -> None:
    taken = reserve.take()
    assert eventually(lambda: len(opener.opened) == 3)
    reserve.close()
    assert taken.alive
    assert [place for place in opener.opened if place.alive] == [taken]


def test_a_killed_session_of_the_namespaces_level_is_not_alive(eventually) -> None:
    with NamespacesSession(SandboxLimits()) as session:
        assert session.alive
        os.kill(session._slot.zygote_pid, signal.SIGKILL)
        assert eventually(lambda: not session.alive)
    closed = NamespacesSession(SandboxLimits())
    closed.close()
    assert not closed.alive


def test_a_pools_sessions_know_nothing_of_one_another() -> None:
    with SandboxPool(NamespacesSandbox, size=2) as pool:
        for _ in range(4):
            with pool.open_session() as session:
                assert session.shell("ls").stdout == ""
                session.shell("touch mine")
