"""Tools of a real server over streamable HTTP, whose replies are event streams or plain JSON."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from reachgym.envs import ListTaskset, Message, Task, ToolCall, ToolEnv
from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.tools.mcp import HttpServer, mcp_tools


@pytest.fixture
def tools(loopback, by_name):
    return by_name(loopback.server, call_timeout_s=0.5, max_reply_bytes=100_000)


def test_a_result_is_told_as_text(tools):
    assert tools["add"].run({"a": "2"}) == "3"
    assert tools["picture"].run({}) == "here:\n[image: image/png, 7 bytes]"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("add", {"a": "x"}, "'a' should be integer"),
        ("refuse", {}, "not today"),
        ("letters", {"count": 10_000_000}, "longer than 100,000 bytes"),
        ("sleep", {"seconds": 600}, r"timed out after 0\.5 s"),
    ],
)
def test_what_the_agent_did_wrong_is_told_to_it(tools, name, arguments, told):
    with pytest.raises(ToolError, match=told):
        tools[name].run(arguments)
    assert tools["add"].run({"a": 1}) == "2"


def test_a_call_that_takes_too_long_is_cancelled(loopback, tools):
    if loopback.replies == "json":
        pytest.skip("the SDK's server does not see that a reply of plain JSON is given up")
    with pytest.raises(ToolError):
        tools["sleep"].run({"seconds": 601})
    assert "601" in tools["interrupted"].run({})


def test_a_server_that_blocks_leaves_the_attempt_unscored(tools):
    with pytest.raises(InfrastructureError, match="answers nobody"):
        tools["block"].run({"seconds": 1.3})
    while True:
        try:
            assert tools["add"].run({"a": 1}) == "2"
        except InfrastructureError:
            continue
        break


def test_a_server_that_dies_in_a_call_is_reached_again_once_it_is_back(loopback, tools):
    with pytest.raises(InfrastructureError, match="failed at die"):
        tools["die"].run({"complaint": ""})
    with pytest.raises(InfrastructureError, match="could not be reached; All connection attempts"):
        tools["add"].run({"a": 1})
    loopback.kill()
    loopback.start()
    assert tools["add"].run({"a": 1}) == "2"


def test_each_episode_has_a_session_of_its_own_and_a_restarted_server_ends_it(loopback):
    env = ToolEnv(
        ListTaskset([Task("t", "p", "g")]), tools=mcp_tools(loopback.server, per_episode=True)
    )
    step = Message("assistant", tool_calls=(ToolCall("c", "t__add", {"a": 1}),))
    env.reset()
    assert env.step(step)[0][0].content == "2"
    loopback.kill()
    loopback.start()
    with pytest.raises(InfrastructureError):
        env.step(step)
    env.reset()
    assert env.step(step)[0][0].content == "2"


def test_a_server_that_gives_no_sessions_cannot_keep_episodes_apart(stateless, by_name):
    assert by_name(stateless)["add"].run({"a": 1}) == "2"
    with pytest.raises(ConfigError, match="gives no sessions over HTTP"):
        mcp_tools(stateless, per_episode=True)


class Strange(BaseHTTPRequestHandler):
    """Answers whatever is asked by what its path says."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        status, kind, coding, body = {
            "/html": (200, "text/html", "identity", b"<p>hello"),
            "/garbage": (200, "application/json", "identity", b"{"),
            "/locked": (401, "text/plain", "identity", b"no"),
            "/gzip": (200, "application/json", "gzip", b"\x1f\x8b"),
        }[self.path]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-encoding", coding)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("html", "Unexpected content type: text/html"),
        ("garbage", "Failed to parse JSON"),
        ("locked", "the HTTP status 401"),
        ("gzip", "compressed its reply"),
    ],
)
def test_what_is_no_mcp_server_is_refused(path, told):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strange)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{path}"
    with pytest.raises(InfrastructureError, match=told):
        mcp_tools(HttpServer("strange", url))
    server.shutdown()
    server.server_close()
