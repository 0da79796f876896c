"""Servers that stall, drop, refuse, fail and limit: what is tried again, and what it ends in."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from loopback import DROP, END, STALL, completion, delta, events, http, said, streamed

from reachgym.agents.endpoint.allowances import exhausted_s, wait_asked_s
from reachgym.agents.endpoint.settings import Retries, Timeouts
from reachgym.agents.endpoint.turns import backoff_s
from reachgym.envs.errors import (
    ConfigError,
    EndpointBusyError,
    EndpointConnectionError,
    EndpointRefusedError,
    EndpointReplyError,
    EndpointTimeoutError,
    InfrastructureError,
)

SHORT = Timeouts(connect_s=1.0, first_s=0.2, stall_s=0.1, request_s=0.4)


def first(*steps):
    """These steps for the first request, and a right answer for those behind it."""
    return lambda call: steps if call.number == 0 else [said("42")]


CUT = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"


@pytest.mark.parametrize(
    "steps",
    [
        [DROP],
        [END],
        [CUT, DROP],
        [CUT, END],
        [b"HTTP/1.1 200 X\r\nnonsense\r\n\r\n", END],
        [b"who are you?\r\n\r\n", END],
        *([http(status, "later")] for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_may_pass_is_tried_again(serve, turn, steps, stream):
    server = serve(first(*steps))
    assert turn(server, stream=stream).message.content == "42"
    assert len(server.calls) == 2


@pytest.mark.parametrize("end", [DROP, END])
def test_a_stream_that_is_cut_is_tried_again(serve, turn, end):
    pieces = events(delta(content="half of"), done=False)
    server = serve(lambda call: [*pieces, end] if call.number == 0 else streamed("all of it"))
    assert turn(server, stream=True).message.content == "all of it"


def test_a_stream_that_ends_without_a_finish_reason_is_tried_again(serve, turn):
    server = serve(
        lambda call: events(delta(content="half")) if call.number == 0 else streamed("whole")
    )
    assert turn(server, stream=True).message.content == "whole"


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([DROP], EndpointConnectionError),
        ([http(500, {"error": {"message": "out of memory"}})], EndpointReplyError),
        ([http(429, "slow down")], EndpointBusyError),
        ([http(504, "")], EndpointTimeoutError),
        ([http(200, "<html>")], EndpointReplyError),
    ],
)
def test_after_the_last_attempt_the_kind_of_error_tells_the_cause(serve, turn, steps, kind):
    server = serve(lambda call: steps)
    error = turn(server)
    assert type(error) is kind
    assert isinstance(error, InfrastructureError)
    assert "given up after 3 requests" in str(error)
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "change what it names"),
        (401, "no request without a key"),
        (403, "no request without a key"),
        (404, "model's name, 'm'"),
        (405, "change"),
        (422, "change"),
        (501, "change"),
    ],
)
def test_what_cannot_succeed_is_asked_once_and_says_what_to_do(serve, turn, status, advice):
    server = serve(lambda call: [http(status, {"error": {"message": "no such thing"}})])
    error = turn(server)
    assert type(error) is EndpointRefusedError
    assert f"answered {status}: no such thing" in str(error)
    assert advice in str(error)
    assert len(server.calls) == 1


def test_an_account_without_money_is_not_asked_again(serve, turn):
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server = serve(lambda call: [http(429, body)])
    assert type(turn(server)) is EndpointRefusedError
    assert len(server.calls) == 1


def test_nobody_listening_is_a_connection_error(serve, turn):
    server = serve(lambda call: [])
    server.close()
    server.close = lambda: None
    assert type(turn(server)) is EndpointConnectionError


@pytest.mark.parametrize(
    ("steps", "stream", "problem"),
    [
        ([STALL], True, "began no reply within 0.2 s"),
        ([*events(delta(content="half"), done=False), STALL], True, "fell silent for 0.1 s"),
        ([STALL], False, "did not finish a reply within 0.4 s"),
        ([CUT, STALL], False, "did not finish a reply within 0.4 s"),
    ],
)
def test_a_server_that_falls_silent_is_left(serve, turn, steps, stream, problem):
    server = serve(lambda call: steps)
    once = Retries(attempts=1)
    error = turn(server, stream=stream, timeouts=SHORT, retries=once)
    assert type(error) is EndpointTimeoutError
    assert problem in str(error)


def test_signs_of_life_without_words_do_not_hide_a_stall(serve, turn):
    pieces = events(delta(content="half"), done=False)
    pings = [step for _ in range(20) for step in (b"d\r\n: keep-alive\n\r\n", 0.02)]
    server = serve(lambda call: [*pieces, *pings])
    error = turn(server, stream=True, timeouts=SHORT, retries=Retries(attempts=1))
    assert "fell silent" in str(error)


def test_a_stream_that_never_ends_is_left(serve, turn):
    endless = events(*(delta(content="on and ") for _ in range(100)), done=False)
    server = serve(lambda call: [step for piece in endless for step in (piece, 0.02)])
    error = turn(server, stream=True, timeouts=SHORT, retries=Retries(attempts=1))
    assert "did not finish a reply within 0.4 s" in str(error)


def test_a_stalled_server_is_left_and_asked_again(serve, turn):
    server = serve(lambda call: [STALL] if call.number == 0 else streamed("42"))
    assert turn(server, stream=True, timeouts=SHORT).message.content == "42"
    assert server.gone == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "1"},
        {"retry_after_ms": "400", "retry_after": "1"},
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "400ms"},
    ],
)
def test_a_server_that_says_when_is_asked_no_sooner(serve, turn, headers):
    server = serve(first(http(429, "slow down", **headers)))
    assert turn(server).message.content == "42"
    refused, answered = server.calls
    assert answered.at_s - refused.at_s >= 0.4


def test_a_wait_longer_than_there_is_time_ends_it_at_once(serve, turn):
    server = serve(lambda call: [http(429, "tomorrow", retry_after="86400")])
    error = turn(server)
    assert type(error) is EndpointBusyError
    assert "asked to wait 86400 s" in str(error)
    assert len(server.calls) == 1


def test_an_allowance_that_is_used_up_holds_the_next_request(serve, agent, ask, turns):
    spent = {"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "300ms"}
    answer = http(200, completion({"content": "42"}), **spent)
    server = serve(lambda call: [answer])
    turns(agent(server, concurrency=1), [ask("one"), ask("two")])
    one, two = server.calls
    assert two.at_s - one.at_s >= 0.3


def test_waits_are_read_in_every_form():
    assert wait_asked_s({}) is None
    assert wait_asked_s({"retry-after": "2.5"}) == 2.5
    assert wait_asked_s({"retry-after": "soon"}) is None
    assert wait_asked_s({"retry-after": "-3"}) is None
    date = formatdate(time.time() + 30, usegmt=True)
    assert wait_asked_s({"retry-after": date}) == pytest.approx(30, abs=2)
    past = formatdate(time.time() - 30, usegmt=True)
    assert wait_asked_s({"retry-after": past}) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1s", 1), ("20ms", 0.02), ("2m59.56s", 179.56), ("1h2m3s", 3723), ("7", 7)],
)
def test_resets_are_read_in_every_form(text, seconds):
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": text,
        "x-ratelimit-remaining-tokens": "5",
        "x-ratelimit-reset-tokens": "99h",
    }
    assert exhausted_s(headers) == pytest.approx(seconds)


def test_backoff_grows_up_to_a_cap_and_is_drawn_from_all_below_it():
    retries = Retries(first_s=1.0, longest_s=8.0)
    for failures, most in ((1, 1.0), (2, 2.0), (4, 8.0), (90, 8.0)):
        drawn = [backoff_s(retries, failures) for _ in range(300)]
        assert max(drawn) <= most
        assert max(drawn) > 0.9 * most
        assert min(drawn) < 0.1 * most


def test_failures_are_waited_out_between_requests(serve, turn):
    server = serve(lambda call: [http(500, "later")])
    turn(server, retries=Retries(attempts=6, total_s=9.0, first_s=0.1, longest_s=0.1))
    assert len(server.calls) == 6
    # Five waits drawn from 0 to 0.1 s: less in all than 0.02 s comes once in a few million times.
    assert server.calls[-1].at_s - server.calls[0].at_s > 0.02


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_times_that_are_none_are_refused(seconds):
    with pytest.raises(ConfigError, match="stall_s"):
        Timeouts(stall_s=seconds)
    with pytest.raises(ConfigError, match="total_s"):
        Retries(total_s=seconds)
