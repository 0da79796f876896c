"""The http tool: what an agent writes becomes a request to one server, or a readable refusal."""

import pytest

from reachgym.envs.errors import ToolError
from reachgym.envs.tools.http import MOST_REQUEST_BYTES, HttpRequest, parse_request


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("GET /a?b=c", HttpRequest("GET", "/a?b=c", b"")),
        (' POST  /a  {"b": "c d"} ', HttpRequest("POST", "/a", b'{"b": "c d"}')),
        ("POST /a nonsense", HttpRequest("POST", "/a", b"nonsense")),
        ("GET /a?b=Zoë", HttpRequest("GET", "/a?b=Zo%C3%AB", b"")),
        ('POST /a {"b":"🧪"}', HttpRequest("POST", "/a", '{"b":"🧪"}'.encode())),
        ("GET /a%0d%0ab", HttpRequest("GET", "/a%0d%0ab", b"")),
    ],
)
def test_a_request_is_read(text, request_):
    assert parse_request(text) == request_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a method and a path"),
        ("/a", "expected a method and a path"),
        ("get /a", "expected a method and a path"),
        ("CONNECT /a", "expected a method and a path"),
        ("GET /a\r\nX-Episode: 1", "one line of plain text"),
        ("GET /a\x00", "one line of plain text"),
        ("GET /\ud800", "one line of plain text"),
        ("GET http://127.0.0.1:80/a", "only paths of this API"),
        ("GET //other.example/a", "only paths of this API"),
        ("GET @other/a", "only paths of this API"),
        ("GET /../a", "a path has no"),
        ("GET /a/./b", "a path has no"),
        ("GET /a\\b", "a path has no"),
        ("GET /a#b", "a path has no"),
        ('GET /a {"b":1}', "GET takes no body"),
        ("POST /a " + "x" * MOST_REQUEST_BYTES, "at most 4096 bytes"),
        ("POST /a " + "🧪" * (MOST_REQUEST_BYTES // 4), "at most 4096 bytes"),
    ],
)
def test_what_is_no_request_to_this_server_is_refused(text, words):
    with pytest.raises(ToolError, match=words):
        parse_request(text)
