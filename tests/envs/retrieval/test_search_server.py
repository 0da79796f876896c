"""A served index, as clients meet it: hits, refusals, failures that pass and some that do not."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import Document
from reachgym.envs.retrieval.remote import RemoteIndex
from reachgym.envs.retrieval.search_server import MOST_BODY_BYTES, MOST_QUERIES, serving
from reachgym.envs.retrieval.web_retries import Retries

INDEX = BM25Index([Document(f"d{i}", f"name{i}", f"Zoë 🌍 {'x ' * i}") for i in range(9)])
QUICK = Retries(attempts=3, total_s=20, request_s=5, first_s=0.001, longest_s=0.002)


@pytest.fixture(scope="module")
def url():
    with serving(INDEX) as url:
        yield url


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], str]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives answers in turn and the last one ever after, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
            status, headers, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


FINE = (200, {}, '{"hits": [[{"doc_id": "d", "score": 1.5, "text": "t"}]]}')


def test_many_queries_at_once_are_answered_in_their_order(url):
    queries = [f"name{i % 9}" for i in range(MOST_QUERIES + 3)]
    found = RemoteIndex(url).search_all(queries, 2)
    assert found == [INDEX.search(query, 2) for query in queries]


def test_it_says_that_it_is_well(url):
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "expected JSON"),
        (b"[]", "queries"),
        (b'{"queries": "x", "k": 1}', "queries"),
        (b'{"queries": ["x"], "k": true}', "nothing else"),
        (b'{"queries": ["x"], "k": 1, "j": 2}', "nothing else"),
        (b'{"queries": ["x"], "k": 0}', "k from 1 to 1000, got 0"),
        (b'{"queries": ["x"], "k": 1001}', "k from 1"),
        (b'{"queries": [], "k": 1}', "got 0"),
        (json.dumps({"queries": ["x"] * (MOST_QUERIES + 1), "k": 1}).encode(), "got 257"),
        (json.dumps({"queries": ["x" * 10_001], "k": 1}).encode(), "at most 10000 characters"),
        (b'{"queries": [3], "k": 1}', "texts"),
        (b"[" * 100_000, "expected JSON"),
    ],
)
def test_a_malformed_request_is_told_what_was_expected(url, body, said):
    answer = httpx.post(f"{url}/search", content=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_what_is_too_large_elsewhere_or_another_method_is_refused(url):
    assert httpx.post(f"{url}/search", content=b" " * (MOST_BODY_BYTES + 1)).status_code == 413
    assert httpx.post(f"{url}/elsewhere").status_code == 404
    assert httpx.get(f"{url}/search").status_code == 405
    assert RemoteIndex(url).search("name3", 1)[0].doc_id == "d3"


def test_a_port_that_is_taken_is_told(url):
    port = int(url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"port {port}"), serving(INDEX, port=port):
        pass


@pytest.mark.parametrize(
    "failure",
    [
        (503, {}, "busy"),
        (429, {"retry-after": "0"}, ""),
        (200, {}, "<html>"),
        (200, {}, '{"hits": [[{"doc_id": "d"}]]}'),
        (200, {}, '{"hits": []}'),
    ],
)
def test_failures_that_pass_are_tried_again_but_not_for_ever(failure):
    with scripted(failure, failure, FINE) as (url, asked):
        assert RemoteIndex(url, QUICK).search("x", 1)[0].text == "t"
        assert len(asked) == 3
    with (
        scripted(failure) as (url, asked),
        pytest.raises(InfrastructureError, match="after 3 attempts"),
    ):
        RemoteIndex(url, QUICK).search("x", 1)
    assert len(asked) == 3


def test_a_wait_that_outlasts_the_time_left_is_not_begun():
    with (
        scripted((503, {"retry-after": "3600"}, "")) as (url, asked),
        pytest.raises(InfrastructureError, match="answered 503"),
    ):
        RemoteIndex(url, QUICK).search("x", 1)
    assert len(asked) == 1


@pytest.mark.parametrize("status", [301, 400, 404])
def test_a_refusal_is_told_at_once(status):
    with (
        scripted((status, {"location": "/x"}, "because")) as (url, asked),
        pytest.raises(ConfigError, match=f"answered {status}: because"),
    ):
        RemoteIndex(url, QUICK).search("x", 1)
    assert len(asked) == 1


def test_a_server_that_is_gone_leaves_the_attempt_unscored():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InfrastructureError, match="see whether it runs"):
            RemoteIndex(url, QUICK).search("x", 1)


def test_a_server_that_comes_back_is_found_again():
    with serving(INDEX) as url:
        remote = RemoteIndex(url, Retries(attempts=50, total_s=20, first_s=0.01, longest_s=0.05))
        assert remote.search("name3", 1)
    port = int(url.rpartition(":")[2])
    found = []
    asking = threading.Thread(target=lambda: found.extend(remote.search("name4", 1)))
    asking.start()
    with serving(INDEX, port=port):
        asking.join()
    assert [hit.doc_id for hit in found] == ["d4"]


def test_what_an_agent_asks_too_long_is_its_own_error(url):
    with pytest.raises(ToolError, match="at most 10000 characters, got 10001"):
        RemoteIndex(url).search("x" * 10_001, 1)


def test_it_travels_to_other_processes(url):
    remote = pickle.loads(pickle.dumps(RemoteIndex(url)))
    assert remote.search("name3", 1) == INDEX.search("name3", 1)


@pytest.mark.parametrize("url", ["", "localhost:80", "http://", "http://a:b", "ftp://a"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match="expected the URL of a search server"):
        RemoteIndex(url)


def test_an_index_that_fails_itself_is_tried_again_as_a_server_away():
    class Failing:
        def search(self, query, k):
            raise InfrastructureError("no memory left")

    with (
        serving(Failing()) as url,
        pytest.raises(InfrastructureError, match=r"answered 503: .*no memory left"),
    ):
        RemoteIndex(url, QUICK).search("x", 1)
