"""The engine's thread: waking, forgetting, closing, and the turns of others meanwhile."""

from __future__ import annotations

import threading
import time

import pytest
from loopback import STALL, said, streamed

from reachgym.agents.endpoint.engine import EndpointEngine
from reachgym.agents.endpoint.settings import Timeouts


def collect(engine: EndpointEngine, woken: threading.Event, count: int) -> dict:
    done: dict[int, object] = {}
    while len(done) < count:
        assert woken.wait(20)
        woken.clear()
        done.update(engine.step())
    return done


def test_a_step_never_waits_and_the_caller_is_woken(serve, agent, ask):
    release = threading.Event()

    def script(call):
        release.wait(20)
        return [said("42")]

    woken = threading.Event()
    engine = agent(serve(script)).engine(woken.set)
    engine.submit(1, ask())
    assert engine.idle
    assert engine.step() == []
    assert not woken.is_set()
    release.set()
    ((ticket, done),) = collect(engine, woken, 1).items()
    assert (ticket, done.message.content) == (1, "42")
    assert engine.idle
    engine.close()


def test_every_turn_comes_back_once_under_its_ticket(serve, agent, ask):
    server = serve(lambda call: [said(call.body["messages"][0]["content"])])
    woken = threading.Event()
    engine = agent(server).engine(woken.set)
    seen: list[tuple[int, str]] = []
    for start in range(0, 200, 50):
        for ticket in range(start, start + 50):
            engine.submit(ticket, ask(str(ticket)))
        seen += [(t, done.message.content) for t, done in engine.step()]
    while len(seen) < 200:
        assert woken.wait(20)
        woken.clear()
        seen += [(t, done.message.content) for t, done in engine.step()]
    engine.close()
    assert sorted(seen) == [(ticket, str(ticket)) for ticket in range(200)]


def test_a_slow_turn_holds_up_no_other(serve, agent, ask):
    server = serve(
        lambda call: [STALL] if call.body["messages"][0]["content"] == "slow" else [said("42")]
    )
    woken = threading.Event()
    engine = agent(server).engine(woken.set)
    engine.submit(0, ask("slow"))
    for ticket in range(1, 20):
        engine.submit(ticket, ask())
    assert sorted(collect(engine, woken, 19)) == list(range(1, 20))
    engine.close()


def test_a_forgotten_turn_is_broken_off_and_never_returned(serve, agent, ask):
    server = serve(
        lambda call: [STALL] if call.body["messages"][0]["content"] == "slow" else [said("42")]
    )
    woken = threading.Event()
    engine = agent(server, timeouts=Timeouts()).engine(woken.set)
    engine.submit(1, ask("slow"))
    wait_for(lambda: server.in_flight == 1)
    engine.forget(1)
    wait_for(lambda: server.gone == 1)
    engine.submit(2, ask())
    assert list(collect(engine, woken, 1)) == [2]
    engine.close()


def test_a_ticket_that_is_used_again_gets_its_own_turn(serve, agent, ask):
    server = serve(lambda call: [said(call.body["messages"][0]["content"])])
    woken = threading.Event()
    engine = agent(server).engine(woken.set)
    engine.submit(1, ask("old"))
    wait_for(lambda: not engine.idle)
    engine.forget(1)
    engine.submit(1, ask("new"))
    assert collect(engine, woken, 1)[1].message.content == "new"
    engine.close()


def test_closing_breaks_off_what_is_in_flight_and_may_be_repeated(serve, agent, ask):
    server = serve(lambda call: [STALL])
    before = threading.active_count()
    engine = agent(server, timeouts=Timeouts()).engine(lambda: None)
    for ticket in range(5):
        engine.submit(ticket, ask())
    wait_for(lambda: server.in_flight == 5)
    engine.close()
    engine.close()
    assert threading.active_count() == before
    wait_for(lambda: server.gone == 5)


def test_closing_ends_waits_too(serve, agent, ask):
    server = serve(lambda call: [STALL])
    engine = agent(server, concurrency=1).engine(lambda: None)
    for ticket in range(5):
        engine.submit(ticket, ask())
    wait_for(lambda: server.in_flight == 1)
    started_s = time.monotonic()
    engine.close()
    assert time.monotonic() - started_s < 1.0


@pytest.mark.parametrize("stream", [False, True])
def test_connections_are_used_again(serve, agent, ask, turns, stream):
    *pieces, end = streamed("four two")
    server = serve(lambda call: [*pieces, 0.005, end] if stream else [said("42")])
    turns(agent(server, concurrency=2, stream=stream), [ask() for _ in range(30)])
    assert server.connections == 2


def test_a_stream_without_an_end_behind_its_last_event_is_whole(serve, turn):
    *pieces, _ = streamed("four two")
    assert turn(serve(lambda call: [*pieces, STALL]), stream=True).message.content == "four two"


def wait_for(condition) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
