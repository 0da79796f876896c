"""Searching through failures: retries, waits, the common pace, hostile queries, hidden keys."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import pickle
import time
import traceback
from email.utils import formatdate

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError, InputError, ToolError
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache
from reachgym.envs.retrieval.web_pace import Pace
from reachgym.envs.retrieval.web_providers import searxng, tavily
from reachgym.envs.retrieval.web_retries import Retries, wait_asked_s
from reachgym.envs.secret import Secret

KEY = "sk-0123456789abcdef"
FOUND = {"results": [{"url": "https://a.example/", "title": "One", "content": "words"}]}
CUT = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"


@pytest.fixture
def at(search):
    """A search at a server, as quick as it can be."""
    return lambda server, **options: search(searxng(server.url, 10_000.0), **options)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(serve, reply, at, status):
    server = serve(lambda heard: reply(FOUND) if heard.number else reply("later", status))
    assert len(at(server).results("who", 5)) == 1
    assert len(server.heard) == 2


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n", CUT])
def test_a_broken_connection_is_tried_again(serve, reply, at, answer):
    server = serve(lambda heard: reply(FOUND) if heard.number else answer)
    assert len(at(server).results("who", 5)) == 1


def test_after_the_last_attempt_it_is_an_infrastructure_failure(serve, reply, at):
    server = serve(lambda heard: reply("out\nof order", 500))
    with pytest.raises(InfrastructureError) as failure:
        at(server).results("who", 5)
    assert str(failure.value) == "searxng answered 500: out of order; given up after 3 requests"
    assert len(server.heard) == 3


def test_nobody_listening_is_an_infrastructure_failure(serve, at):
    server = serve(lambda heard: b"")
    server.close()
    server.close = lambda: None
    with pytest.raises(InfrastructureError, match="ConnectError"):
        at(server).results("who", 5)


def test_a_provider_that_says_nothing_is_left(search, deaf):
    one = search(
        searxng(f"http://127.0.0.1:{deaf}", 10_000.0), retries=Retries(attempts=1, request_s=0.2)
    )
    with pytest.raises(InfrastructureError, match=r"did not answer within 0\.2 s"):
        one.results("who", 5)


def test_a_reply_without_end_is_left(serve, at):
    head = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    server = serve(lambda heard: itertools.chain([head], itertools.repeat(chunk)))
    with pytest.raises(InfrastructureError, match="sent more than"):
        at(server, retries=Retries(attempts=1)).results("who", 5)


def test_a_reply_that_drips_is_left(serve, at):
    def drip(heard):
        yield b"HTTP/1.1 200 X\r\ncontent-length: 9999\r\n\r\n"
        while not server.closing.wait(0.05):
            yield b" "

    server = serve(drip)
    started = time.perf_counter()
    with pytest.raises(InfrastructureError, match="did not answer within"):
        at(server, retries=Retries(attempts=1, request_s=0.2)).results("who", 5)
    assert time.perf_counter() - started < 2.0


def test_a_provider_that_says_when_is_asked_no_sooner(serve, reply, at):
    times = []

    def script(heard):
        times.append(time.monotonic())
        return reply(FOUND) if heard.number else reply("", 429, retry_after="0.3")

    server = serve(script)
    assert at(server).results("who", 5)
    assert times[1] - times[0] >= 0.3


def test_a_wait_longer_than_there_is_time_ends_it_at_once(serve, reply, at):
    server = serve(lambda heard: reply("tomorrow", 429, retry_after="3000"))
    one = at(server)
    with pytest.raises(InfrastructureError, match="waiting 3e"):
        one.results("who", 5)
    with pytest.raises(InfrastructureError, match="asked for a pause"):
        one.results("whom", 5)
    assert len(server.heard) == 1


def test_waits_are_read_in_every_form():
    assert wait_asked_s({}) is None
    assert wait_asked_s({"retry-after": "2.5"}) == 2.5
    for nonsense in ("soon", "-3", "nan", "1e999", "9" * 400, "Sun, 99 Foo 2026 00:00:00 GMT"):
        assert wait_asked_s({"retry-after": nonsense}) is None
    date = formatdate(time.time() + 30, usegmt=True)
    assert wait_asked_s({"retry-after": date}) == pytest.approx(30, abs=2)
    window = {"x-ratelimit-remaining": "0, 900", "x-ratelimit-reset": "1, 1419704"}
    assert wait_asked_s(window) == 1
    assert wait_asked_s(window | {"x-ratelimit-remaining": "0, 0"}) == 1419704
    assert wait_asked_s(window | {"x-ratelimit-remaining": "1, 900"}) is None


def test_backoff_grows_up_to_a_cap_and_is_drawn_from_all_below_it():
    retries = Retries(first_s=1.0, longest_s=8.0)
    for failures, most in ((1, 1.0), (2, 2.0), (4, 8.0), (5000, 8.0)):
        drawn = [retries.backoff_s(failures) for _ in range(300)]
        assert max(drawn) <= most
        assert max(drawn) > 0.9 * most
        assert min(drawn) < 0.1 * most


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_times_that_are_none_are_refused(seconds):
    with pytest.raises(ConfigError, match="request_s"):
        Retries(request_s=seconds)


def test_turns_lie_an_interval_apart_for_all_who_share_a_name(tmp_path):
    one, other = Pace("p", 10.0, tmp_path), Pace("p", 10.0, tmp_path)
    assert one.take(100.0) == 0.0
    assert other.take(100.0) == pytest.approx(10.0, abs=1.0)
    assert one.take(100.0) == pytest.approx(20.0, abs=1.0)
    assert one.take(5.0) is None
    assert other.take(100.0) == pytest.approx(30.0, abs=1.0)
    assert Pace("q", 10.0, tmp_path).take(0.0) == 0.0


def test_a_pause_holds_all_and_never_for_ever(tmp_path):
    one, other = Pace("p", 1.0, tmp_path), Pace("p", 1.0, tmp_path)
    one.hold(50.0)
    assert other.take(100.0) == pytest.approx(50.0, abs=1.0)
    one.hold(1e9)
    assert other.take(1e12) == pytest.approx(3600.0, abs=1.0)


def test_a_damaged_pace_begins_anew(tmp_path):
    pace = Pace("p", 1.0, tmp_path)
    for text in (b"", b"nonsense", b"nan", b"inf" * 20, b"\xff" * 64):
        next(tmp_path.glob("*.next")).write_bytes(text)
        assert pace.take(1.0) == 0.0


def test_a_pace_that_cannot_be_shared_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="REACHGYM_CACHE"):
        Pace("p", 1.0, tmp_path / "file")


def _take(root, barrier, turns):
    pace = Pace("p", 1.0, root)
    barrier.wait(30)
    turns.put([time.time() + (pace.take(1e6) or 0.0) for _ in range(400)])


def test_processes_share_one_pace(tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, turns = fork.Barrier(3), fork.Queue()
    workers = [fork.Process(target=_take, args=(tmp_path, barrier, turns)) for _ in range(3)]
    for worker in workers:
        worker.start()
    taken = sorted(itertools.chain.from_iterable(turns.get(timeout=30) for _ in workers))
    for worker in workers:
        worker.join()
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert len(taken) == 1200
    assert min(gaps) > 0.5


@pytest.mark.parametrize(
    "query",
    ["", " \n\t", "\x00\x01", "a" * 401, "a " * 51, "word" * 1_000_000, "\ud800", "a\udfffb"],
)
def test_a_query_that_nobody_takes_is_told_to_the_agent(serve, reply, at, query):
    server = serve(lambda heard: reply(FOUND))
    with pytest.raises(ToolError, match="the query"):
        at(server).results(query, 5)
    assert not server.heard


def test_control_characters_and_line_breaks_only_separate_words(serve, reply, at):
    server = serve(lambda heard: reply(FOUND))
    at(server).results("  who\r\nHost: x\x00 &q=2#漢\u202e \u0645\u06cc\u200c\u062e \U0001f600", 5)
    target = server.heard[0].target
    assert target.startswith("/search?q=who")
    assert target.count("&") == 1
    assert "%0" not in target
    assert "%E2%80%8C" in target


@pytest.mark.parametrize("k", [0, -1, 21, 10**9])
def test_a_number_of_results_that_nobody_gives_is_refused(serve, reply, at, k):
    with pytest.raises(InputError, match="expected k from 1 to 20"):
        at(serve(lambda heard: reply(FOUND))).search("who", k)


def test_it_is_a_search_index(serve, reply, at):
    hit = at(serve(lambda heard: reply(FOUND))).search("who", 1)[0]
    assert (hit.doc_id, hit.score, hit.text) == ("https://a.example/", 1.0, "words")


@pytest.mark.parametrize(
    "answer",
    [
        lambda reply, echo: reply({"message": echo}, 401),
        lambda reply, echo: reply(echo, 500),
        lambda reply, echo: reply(f"<html>{echo}"),
        lambda reply, echo: b"HTTP/1.1 200 " + echo.encode() + b"\r\n: " + echo.encode(),
    ],
)
def test_the_key_is_in_no_error_log_or_traceback(serve, reply, search, monkeypatch, caplog, answer):
    monkeypatch.setenv("TAVILY_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server = serve(lambda heard: answer(reply, heard.headers["authorization"]))
    one = search(tavily(base_url=server.url, requests_per_s=1000.0))
    with pytest.raises(InfrastructureError) as failure:
        one.results("who", 5)
    assert server.heard[0].headers["authorization"] == f"Bearer {KEY}"
    # All frames but this test's own, whose server knows the key.
    frames = traceback.walk_tb(failure.tb.tb_next)
    told = traceback.StackSummary.extract(frames, capture_locals=True)
    assert len(told) > 3
    assert KEY not in "".join(told.format()) + str(failure.value)
    assert KEY not in caplog.text
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None


def test_the_key_is_in_no_result_file_or_pickle(serve, reply, search, monkeypatch, tmp_path):
    monkeypatch.setenv("TAVILY_API_KEY", KEY)
    echo = {"results": [{"url": f"u?{KEY}", "title": KEY, "content": f"a {KEY} b"}]}
    server = serve(lambda heard: reply(echo))
    kept = tmp_path / "kept"
    cache = ResponseCache(kept, CacheMode.RECORD)
    one = search(tavily(base_url=server.url, requests_per_s=1000.0), cache=cache)
    assert one.results("who", 5)[0].text == "a [redacted] b"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert KEY not in path.read_text()
        assert KEY not in path.name
    assert KEY not in repr(vars(one))
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(Secret(KEY))
