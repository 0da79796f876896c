"""The web's tools as an agent meets them: in a toolbox, with hostile arguments."""

from __future__ import annotations

import json

import pytest

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.web_providers import searxng
from reachgym.envs.tools.base import Toolbox
from reachgym.envs.tools.fetch import fetch_tool
from reachgym.envs.tools.web_search import NO_PAGES, web_search_tool
from reachgym.envs.types import ToolCall

HOSTILE = [
    "",
    "\x00",
    "\r\n\r\nGET / HTTP/1.1",
    "\ud800",
    "a" * 1_000_000,
    "\u202e\U0001f4a9",
    "http://[",
    "http://\ud800/",
    "http://xn--/",
    "%" * 1000,
    "{}[]()'\"`;--",
    "../../etc/passwd",
]


@pytest.fixture
def box(serve, reply, search, fetcher):
    """Both tools, at one server."""
    found = {
        "results": [
            {"url": "https://a.example/", "title": "One\nmore", "content": "some\x1b[2J\nwords"},
            {"url": "https://b.example/", "title": "", "content": "x" * 9000},
            {"url": "https://c.example/", "title": "Three"},
        ]
    }

    def answer(heard):
        if heard.target.startswith("/search"):
            return reply(found if "q=who" in heard.target else {"results": []})
        return reply(
            "<title>T</title>hello" if heard.target == "/" else "", content_type="text/html"
        )

    server = serve(answer)
    tools = (
        web_search_tool(search(searxng(server.url, 10_000.0)), k=3),
        fetch_tool(fetcher(server)),
    )
    box = Toolbox(tools, max_result_chars=4000)
    box.url = f"http://site.test:{server.port}"
    box.tools = tools
    return box


def call(box, name, **arguments):
    return box.call(ToolCall("1", name, arguments))


def test_pages_are_numbered_lines_of_title_url_and_snippet(box):
    result = call(box, "web_search", query="who")
    assert not result.error
    assert result.content == (
        "1. One more\n   https://a.example/\n   some [2J words\n"
        f"2. \n   https://b.example/\n   {'x' * 500}...\n"
        "3. Three\n   https://c.example/"
    )


def test_that_nothing_is_found_is_said(box):
    result = call(box, "web_search", query="nobody")
    assert (result.content, result.error) == (NO_PAGES, False)


def test_a_page_is_shown_under_its_url_and_title(box):
    assert call(box, "fetch", url=f"{box.url}/").content == f"{box.url}/\nT\n\nhello"
    empty = call(box, "fetch", url=f"{box.url}/empty").content
    assert empty == f"{box.url}/empty\n\n[the page is empty]"


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_model_writes_is_answered_with_words(box, text):
    for name, argument in (("web_search", "query"), ("fetch", "url")):
        result = call(box, name, **{argument: text})
        assert result.error or result.content == NO_PAGES
        json.dumps(result.content).encode()
        assert len(result.content) < 1000


@pytest.mark.parametrize("value", [None, ["who"], {"a": 1}])
def test_arguments_of_another_type_are_answered_with_words(box, value):
    assert call(box, "web_search", query=value).error
    assert call(box, "fetch", url=value).error


def test_both_tools_inform_and_are_described(box):
    for tool, argument in zip(box.tools, ("query", "url"), strict=True):
        assert tool.informs
        assert tool.spec.parameters["required"] == [argument]
        assert tool.spec.parameters["properties"][argument]["description"]


def test_a_provider_that_is_down_is_no_answer_for_the_agent(serve, search):
    server = serve(lambda heard: b"")
    broken = Toolbox([web_search_tool(search(searxng(server.url, 10_000.0)))], 4000)
    with pytest.raises(InfrastructureError):
        call(broken, "web_search", query="who")


def test_a_number_of_pages_that_nobody_gives_is_refused(search):
    with pytest.raises(ConfigError, match="from 1 to 20"):
        web_search_tool(search(searxng("http://localhost:8888")), k=21)


def test_a_page_that_is_cut_off_says_so(serve, reply, fetcher):
    server = serve(lambda heard: reply("x" * 2_000_000))
    run = fetch_tool(fetcher(server)).run
    assert run({"url": f"http://site.test:{server.port}/"}).endswith("can be read]")
    with pytest.raises(ToolError, match="not allowed"):
        run({"url": "http://evil.test/"})
