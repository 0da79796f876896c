"""The key goes into one header of requests to one host, and nowhere else."""

from __future__ import annotations

import gc
import logging
import pickle
import traceback

import cloudpickle
import pytest
from loopback import END, call_entry, completion, delta, events, http, said

from reachgym.agents.endpoint.agent import EndpointAgent, EndpointFactory
from reachgym.envs.errors import ConfigError, EndpointError, EndpointRefusedError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.secret import Secret
from reachgym.rollout.codec import encode
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import run_attempts

KEY = "sk-sesame-0123456789"
NAME = "REACHGYM_TEST_KEY"


@pytest.fixture(autouse=True)
def _in_the_environment(monkeypatch):
    monkeypatch.setenv(NAME, KEY)


def echoed(call) -> str:
    """What the server knows of the key."""
    return call.headers["authorization"]


def everything_of(error: BaseException) -> str:
    """An error with its chain, its arguments and the frames that it holds on to."""
    seen: list[str] = []
    while error is not None:
        captured = traceback.TracebackException.from_exception(error, capture_locals=True)
        seen += [repr(error), repr(error.args), *captured.format()]
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


def test_the_key_is_sent_as_a_bearer(serve, turn):
    server = serve(lambda call: [said("42")])
    turn(server, api_key_env=NAME)
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_a_server_that_echoes_the_key_in_an_error_does_not_spread_it(serve, turn, caplog, status):
    caplog.set_level(logging.DEBUG)
    server = serve(lambda call: [http(status, {"error": {"message": f"bad {echoed(call)}"}})])
    error = turn(server, api_key_env=NAME)
    assert isinstance(error, EndpointError)
    assert "bad Bearer [redacted]" in str(error)
    assert KEY not in everything_of(error)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "steps",
    [
        lambda call: [http(200, f"<html>{echoed(call)}</html>")],
        lambda call: [http(200, {"choices": echoed(call)})],
        lambda call: [http(200, {"choices": [], "error": {"message": echoed(call)}})],
        lambda call: [http(200, completion({"content": "x"}, echoed(call)))],
        lambda call: events({"error": {"message": echoed(call)}}),
        lambda call: [http(302, "", location=f"http://evil.test/{echoed(call)}")],
        lambda call: [f"HTTP/1.1 {echoed(call)}\r\n\r\n".encode(), END],
        lambda call: [f"HTTP/1.1 200 X\r\n{echoed(call)}\r\n\r\n".encode(), END],
        lambda call: [END],
    ],
)
def test_no_other_fault_spreads_it_either(serve, turn, caplog, steps):
    caplog.set_level(logging.DEBUG)
    error = turn(serve(steps), api_key_env=NAME)
    assert isinstance(error, EndpointError)
    assert KEY not in everything_of(error)
    assert KEY not in caplog.text


def test_an_error_that_acting_raises_holds_no_key(serve, agent, ask):
    server = serve(lambda call: [http(401, echoed(call))])
    request = ask()
    with pytest.raises(EndpointRefusedError) as caught:
        agent(server, api_key_env=NAME).act(
            [request.conversation], [request.tools], [request.limits], [request.seed]
        )
    assert KEY not in repr(caught.value.args)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert f"set the environment variable {NAME}" in str(caught.value)


def test_a_redirect_is_not_followed(serve, turn):
    other = serve(lambda call: [said("42")])
    server = serve(lambda call: [http(307, "", location=f"{other.url}/chat/completions?k=1")])
    error = turn(server, api_key_env=NAME)
    assert type(error) is EndpointRefusedError
    assert f"it redirects to '{other.url}/chat/completions'" in str(error)
    assert other.calls == []


def test_a_trajectory_holds_no_key(serve, agent):
    def script(call):
        if len(call.body["messages"]) > 2:
            return [said(f"it was {echoed(call)}")]
        calls = [call_entry(echoed(call), f'{{"query": "{echoed(call)}"}}', echoed(call))]
        told = {"content": echoed(call), "reasoning": echoed(call), "tool_calls": calls}
        return [http(200, completion(told))]

    ref = EnvRef("reachgym/Lookup-v0")
    attempt = Attempt(make(ref).taskset.task("train", 0), ref, 0, "base")
    (row,) = run_attempts(agent(serve(script), api_key_env=NAME), [attempt], slots=1)
    assert len(row.turns) == 2
    assert row.turns[0].completion.message.reasoning == "Bearer [redacted]"
    assert KEY not in repr(row)
    assert KEY not in str(encode([row]).to_pylist())


def test_a_key_that_a_stream_cuts_in_two_is_found(serve, turn):
    halves = [delta(content=f"it is {KEY[:9]}"), delta(content=KEY[9:]), delta("stop")]
    done = turn(serve(lambda call: events(*halves)), api_key_env=NAME, stream=True)
    assert done.message.content == "it is [redacted]"


def test_nothing_that_travels_carries_it(serve, settings):
    chosen = settings(serve(lambda call: [said("42")]), api_key_env=NAME)
    for travels in (chosen, EndpointFactory(chosen), EndpointAgent(chosen)):
        for dump in (pickle.dumps(travels), cloudpickle.dumps(travels)):
            assert KEY.encode() not in dump
            assert NAME.encode() in dump
        assert KEY not in repr(travels)


def test_an_engine_at_work_shows_no_key_and_does_not_travel(serve, agent, ask):
    engine = agent(serve(lambda call: [said("42")]), api_key_env=NAME).engine(gc.collect)
    engine.submit(1, ask())
    with pytest.raises(TypeError):
        pickle.dumps(engine)
    assert KEY not in repr(engine)
    engine.close()


def test_the_key_itself_has_no_text_and_does_not_travel():
    key = Secret.from_environment(NAME)
    assert KEY not in f"{key} {key!r} {[key]}"
    with pytest.raises(TypeError, match="environment variable"):
        pickle.dumps(key)


@pytest.mark.parametrize("value", ["sesame\nopen-now", "sésame-open", "a\x00b-sesame"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch, value):
    if "\x00" in value:
        value = value.replace("\x00", "\x01")
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ConfigError, match=NAME) as caught:
        Secret.from_environment(NAME)
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["", "  \n"])
def test_without_a_key_none_is_sent(serve, turn, monkeypatch, value):
    monkeypatch.setenv(NAME, value)
    server = serve(lambda call: [http(401, "who?")])
    error = turn(server, api_key_env=NAME)
    assert "authorization" not in server.calls[0].headers
    assert f"set the environment variable {NAME}" in str(error)


def test_a_placeholder_is_a_word_like_others(serve, turn, monkeypatch):
    monkeypatch.setenv(NAME, "EMPTY")
    server = serve(lambda call: [said("the list is EMPTY")])
    assert turn(server, api_key_env=NAME).message.content == "the list is EMPTY"
