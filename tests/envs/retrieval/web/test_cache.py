"""Responses kept on disk: recorded once, replayed for ever, by many processes at once."""

from __future__ import annotations

import json
import multiprocessing

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache
from reachgym.envs.retrieval.web_providers import searxng

REQUEST = {"provider": "p", "query": "who", "k": 5}


def never():
    raise AssertionError("the web was asked")


def test_without_a_mode_nothing_is_kept(tmp_path):
    cache = ResponseCache()
    assert [cache.response(REQUEST, lambda n=n: n) for n in range(2)] == [0, 1]
    assert not list(tmp_path.iterdir())


def test_an_equal_request_gets_what_the_first_one_got(tmp_path):
    cache = ResponseCache(tmp_path / "kept", CacheMode.RECORD)
    assert cache.response(REQUEST, lambda: ["first", "ü\ud800"]) == ["first", "ü\ud800"]
    again = {"k": 5, "query": "who", "provider": "p"}
    assert cache.response(again, never) == ["first", "ü\ud800"]


@pytest.mark.parametrize(
    "change", [{"provider": "q"}, {"query": "Who"}, {"query": "who "}, {"k": 6}, {"k": "5"}]
)
def test_another_request_is_asked_for_itself(tmp_path, change):
    cache = ResponseCache(tmp_path, CacheMode.RECORD)
    cache.response(REQUEST, lambda: 1)
    assert cache.response(REQUEST | change, lambda: 2) == 2


def test_replay_asks_nobody_and_says_what_is_missing(tmp_path):
    ResponseCache(tmp_path, CacheMode.RECORD).response(REQUEST, list)
    cache = ResponseCache(tmp_path, CacheMode.REPLAY)
    assert cache.response(REQUEST, never) == []
    with pytest.raises(InfrastructureError, match=r'expected a kept response to .*"whom".*record'):
        cache.response(REQUEST | {"query": "whom"}, never)


def test_a_failure_is_not_kept(tmp_path):
    cache = ResponseCache(tmp_path, CacheMode.RECORD)

    def fail():
        raise InfrastructureError("no")

    with pytest.raises(InfrastructureError, match="no"):
        cache.response(REQUEST, fail)
    assert cache.response(REQUEST, lambda: 1) == 1
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"request": {}, "response": 1}', "\xff"])
@pytest.mark.parametrize("mode", [CacheMode.RECORD, CacheMode.REPLAY])
def test_a_damaged_file_is_told_and_never_taken_for_a_response(tmp_path, text, mode):
    ResponseCache(tmp_path, CacheMode.RECORD).response(REQUEST, lambda: 1)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InfrastructureError, match="got a damaged file; remove it"):
        ResponseCache(tmp_path, mode).response(REQUEST, never)


def test_a_folder_is_needed_and_must_be_there_for_replay(tmp_path):
    with pytest.raises(ConfigError, match="expected a folder"):
        ResponseCache(None, CacheMode.RECORD)
    with pytest.raises(ConfigError, match="record them first"):
        ResponseCache(tmp_path / "none", CacheMode.REPLAY)


def test_a_folder_that_takes_nothing_is_an_infrastructure_failure(tmp_path):
    (tmp_path / "file").write_text("")
    cache = ResponseCache(tmp_path / "file", CacheMode.RECORD)
    with pytest.raises(InfrastructureError, match="could not be kept"):
        cache.response(REQUEST, lambda: 1)


def _record(root, number, barrier, results):
    cache = ResponseCache(root, CacheMode.RECORD)
    for query in range(20):
        barrier.wait(30)
        results.put((query, cache.response({"query": query}, lambda: number)))


def test_processes_that_ask_at_once_get_the_same(tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(4), fork.Queue()
    workers = [
        fork.Process(target=_record, args=(tmp_path, number, barrier, results))
        for number in range(4)
    ]
    for worker in workers:
        worker.start()
    got: dict[int, set[int]] = {}
    for _ in range(80):
        query, number = results.get(timeout=30)
        got.setdefault(query, set()).add(number)
    for worker in workers:
        worker.join()
    assert len(got) == 20
    assert all(len(numbers) == 1 for numbers in got.values())
    assert len(list(tmp_path.rglob("*.json"))) == 20
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_search_is_replayed_to_the_letter_without_a_provider(serve, reply, search, tmp_path):
    found = {"results": [{"url": "u", "title": "ü", "content": "漢"}], "x": 1}
    server = serve(lambda heard: reply(found | {"results": found["results"] * (heard.number + 1)}))
    kept = tmp_path / "kept"
    recorder = search(searxng(server.url, 1000.0), cache=ResponseCache(kept, CacheMode.RECORD))
    first = recorder.results("who  is", 5)
    assert recorder.results("who is", 5) == first
    assert recorder.results("\nwho\tis ", 5) == first
    assert len(server.heard) == 1
    player = search(searxng("http://gone.invalid"), cache=ResponseCache(kept, CacheMode.REPLAY))
    assert player.results("who is", 5) == first
    with pytest.raises(InfrastructureError, match="who was"):
        player.results("who was", 5)
    (path,) = kept.rglob("*.json")
    assert json.loads(path.read_text())["request"] == {
        "provider": "searxng",
        "query": "who is",
        "k": 5,
    }
