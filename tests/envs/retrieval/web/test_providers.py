"""How each provider is asked and read, in the shapes of its reference."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.envs.retrieval.web import WebSearch
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache
from reachgym.envs.retrieval.web_providers import WebHit, brave, searxng, serper, tavily

KEY = "sk-0123456789abcdef"
MAKERS = {"searxng": searxng, "tavily": tavily, "serper": serper, "brave": brave}
REPLIES = {
    "searxng": {
        "query": "who",
        "number_of_results": 0,
        "results": [
            {
                "url": "https://a.example/1",
                "title": "One",
                "content": "first words",
                "engine": "duckduckgo",
                "parsed_url": ["https", "a.example", "/1", "", "", ""],
                "engines": ["duckduckgo"],
                "positions": [1],
                "score": 4.0,
                "category": "general",
            },
            {"url": "https://b.example/2", "title": "Two", "content": "second", "score": 1.0},
        ],
        "answers": [],
        "corrections": [],
        "infoboxes": [],
        "suggestions": ["x"],
        "unresponsive_engines": [["qwant", "timeout"]],
    },
    "tavily": {
        "query": "who",
        "follow_up_questions": None,
        "answer": None,
        "images": [],
        "results": [
            {
                "url": "https://a.example/1",
                "title": "One",
                "content": "first words",
                "score": 0.9,
                "raw_content": None,
            },
            {"url": "https://b.example/2", "title": "Two", "content": "second", "score": 0.2},
        ],
        "response_time": 0.8,
    },
    "serper": {
        "searchParameters": {"q": "who", "type": "search", "engine": "google"},
        "knowledgeGraph": {"title": "x"},
        "organic": [
            {
                "title": "One",
                "link": "https://a.example/1",
                "snippet": "first words",
                "position": 1,
                "sitelinks": [{"title": "x", "link": "https://a.example/x"}],
            },
            {"title": "Two", "link": "https://b.example/2", "snippet": "second", "position": 2},
        ],
        "relatedSearches": [{"query": "x"}],
        "credits": 1,
    },
    "brave": {
        "type": "search",
        "query": {"original": "who"},
        "mixed": {"type": "mixed", "main": [{"type": "web", "index": 0, "all": False}]},
        "web": {
            "type": "search",
            "results": [
                {
                    "type": "search_result",
                    "title": "One",
                    "url": "https://a.example/1",
                    "description": "<strong>first</strong> words",
                    "language": "en",
                },
                {"title": "Two", "url": "https://b.example/2", "description": "second"},
            ],
        },
    },
}
NOTHING = {
    "searxng": {"query": "who", "results": [], "unresponsive_engines": []},
    "tavily": {"query": "who", "results": []},
    "serper": {"searchParameters": {"q": "who"}, "credits": 1},
    "brave": {"type": "search", "query": {"original": "who"}},
}
FOUND = [
    WebHit("https://a.example/1", 1.0, "first words", "One"),
    WebHit("https://b.example/2", 0.5, "second", "Two"),
]


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """A key for each provider."""
    for name in ("TAVILY_API_KEY", "SERPER_API_KEY", "BRAVE_API_KEY"):
        monkeypatch.setenv(name, KEY)


@pytest.fixture
def ask(serve, reply, search):
    """Asks a provider whose server gives one answer; returns what was found, and the server."""

    def run(name, answer, k=5, status=200):
        server = serve(lambda heard: reply(answer, status, content_type="application/json"))
        provider = MAKERS[name](base_url=server.url + "/", requests_per_s=1000.0)
        return search(provider).results("who", k), server

    return run


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_provider_finds_is_read_in_its_order(ask, name):
    hits, _ = ask(name, REPLIES[name])
    assert hits == FOUND
    assert [hit.url for hit in hits] == [hit.doc_id for hit in hits]


@pytest.mark.parametrize("name", MAKERS)
def test_no_more_is_returned_than_asked_for(ask, name):
    hits, _ = ask(name, REPLIES[name], k=1)
    assert hits == FOUND[:1]


@pytest.mark.parametrize("name", MAKERS)
def test_that_nothing_is_found_is_an_answer(ask, name):
    hits, server = ask(name, NOTHING[name])
    assert hits == []
    assert len(server.heard) == 1


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("answer", ["{}", "[]", "null", "no", "", '{"results": 1}', "[" * 100_000])
def test_a_reply_of_another_shape_is_a_failure(ask, name, answer):
    with pytest.raises(InfrastructureError, match=f"{name} sent"):
        ask(name, answer)


@pytest.mark.parametrize("name", MAKERS)
def test_results_that_are_none_are_left_out_and_twins_are_one(ask, name):
    text = json.dumps(REPLIES[name]).replace('"https://b.example/2"', "null")
    assert ask(name, text)[0] == FOUND[:1]
    text = json.dumps(REPLIES[name]).replace("https://b.example/2", "https://a.example/1")
    assert ask(name, text)[0] == FOUND[:1]


def test_a_missing_snippet_is_an_empty_text(ask):
    answer = {"organic": [{"title": "One", "link": "https://a.example/1"}, 7, None, {"title": "x"}]}
    assert ask("serper", answer)[0] == [WebHit("https://a.example/1", 1.0, "", "One")]


def test_searxng_is_asked_for_json_without_a_key(ask):
    _, server = ask("searxng", REPLIES["searxng"])
    heard = server.heard[0]
    assert heard.method == "GET"
    assert urlsplit(heard.target).path == "/search"
    assert parse_qs(urlsplit(heard.target).query) == {"q": ["who"], "format": ["json"]}
    assert KEY not in str(heard)


def test_tavily_is_asked_as_its_reference_says(ask):
    _, server = ask("tavily", REPLIES["tavily"])
    heard = server.heard[0]
    assert (heard.method, heard.target) == ("POST", "/search")
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(heard.body) == {"query": "who", "max_results": 5, "search_depth": "basic"}


def test_serper_is_asked_as_its_reference_says(ask):
    _, server = ask("serper", REPLIES["serper"])
    heard = server.heard[0]
    assert (heard.method, heard.target) == ("POST", "/search")
    assert heard.headers["x-api-key"] == KEY
    assert json.loads(heard.body) == {"q": "who", "num": 5}


def test_brave_is_asked_as_its_reference_says(ask):
    _, server = ask("brave", REPLIES["brave"])
    heard = server.heard[0]
    assert heard.method == "GET"
    assert urlsplit(heard.target).path == "/res/v1/web/search"
    assert parse_qs(urlsplit(heard.target).query) == {
        "q": ["who"],
        "count": ["5"],
        "text_decorations": ["false"],
    }
    assert heard.headers["x-subscription-token"] == KEY


def test_braves_marks_and_escapes_are_undone(ask):
    reply = {"web": {"results": [{"title": "A &amp; B", "url": "u", "description": "x &lt; 2"}]}}
    assert ask("brave", reply)[0] == [WebHit("u", 1.0, "x < 2", "A & B")]


def test_that_no_engine_of_searxng_looked_is_a_failure(ask):
    silent = NOTHING["searxng"] | {"unresponsive_engines": [["google", "CAPTCHA"]]}
    with pytest.raises(InfrastructureError, match=r"did not answer.*google.*disable"):
        ask("searxng", silent)


@pytest.mark.parametrize(
    ("name", "status", "advice"),
    [
        ("searxng", 403, r"add json to search\.formats"),
        ("tavily", 401, "set the environment variable TAVILY_API_KEY"),
        ("tavily", 432, "raise its limit"),
        ("serper", 403, "set the environment variable SERPER_API_KEY"),
        ("serper", 400, "credits left"),
        ("brave", 422, "whether the environment variable BRAVE_API_KEY holds"),
        ("brave", 302, "keys follow no redirect"),
        ("searxng", 404, "check base_url"),
    ],
)
def test_a_refusal_says_what_to_do_and_is_not_asked_again(
    serve, reply, search, name, status, advice
):
    server = serve(lambda heard: reply({"message": "no"}, status, location="http://evil.test/"))
    provider = MAKERS[name](base_url=server.url)
    with pytest.raises(InfrastructureError, match=f"{name} answered {status}.*no.*{advice}"):
        search(provider).results("who", 5)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8888", "ftp://x", "http://", "http://x:99999", "http://x:0", "http://ü/"],
)
def test_a_base_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="expected a base_url"):
        searxng(url)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@x", f"http://x?key={KEY}", f"http://x#{KEY}"])
def test_a_key_in_a_base_url_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError) as refused:
        searxng(url)
    assert KEY not in str(refused.value)


def test_a_rate_that_is_none_is_refused():
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="requests_per_s"):
            searxng("http://localhost:8888", requests_per_s=rate)


def test_a_missing_key_is_named_and_not_needed_for_replay(monkeypatch, tmp_path):
    monkeypatch.delenv("TAVILY_API_KEY")
    with pytest.raises(ConfigError, match="TAVILY_API_KEY, got nothing"):
        WebSearch(tavily(), pace_root=tmp_path)
    WebSearch(tavily(), cache=ResponseCache(tmp_path, CacheMode.REPLAY))


def test_a_key_that_no_header_carries_is_refused_and_not_repeated(monkeypatch, tmp_path):
    monkeypatch.setenv("OWN_KEY", f"{KEY}\x01")
    with pytest.raises(ConfigError, match="OWN_KEY") as refused:
        WebSearch(tavily("OWN_KEY"), pace_root=tmp_path)
    assert KEY not in str(refused.value)
