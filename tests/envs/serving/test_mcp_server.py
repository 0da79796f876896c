"""An environment as an MCP server, seen by a real client over stdio and over HTTP."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import sys
import time

import pytest

pytest.importorskip("mcp")

from reachgym.envs.errors import ToolError
from reachgym.envs.suites import families
from reachgym.envs.tools.mcp import HttpServer, StdioServer, mcp_tools
from reachgym.envs.types import Message

NUMBERS = itertools.count()
LOOKUP = ("reachgym/Lookup-v0", "--set", "difficulty=1")


def by_name(server):
    return {tool.spec.name.partition("__")[2]: tool for tool in mcp_tools(server)}


def solve(tools, **handle):
    """Play a lookup through the tools, as the oracle does; gives the verdict's words."""
    begun = tools["begin_episode"].run({"split": "held_out", "index": 0})
    prompt, episode = re.fullmatch(r"(.*)\n\n\(episode_id: (\S+)\)", begun, re.DOTALL).groups()
    given = {"episode_id": episode} if handle.get("by_id") else {}
    messages = [Message("user", prompt)]
    oracle = next(f.oracle for f in families() if f.name == "lookup")
    while True:
        action = oracle(tuple(messages))
        messages.append(action)
        if not action.tool_calls:
            return tools["answer"].run({"text": action.content, **given})
        for call in action.tool_calls:
            told = tools[call.name].run({**call.arguments, **given})
            messages.append(Message("tool", told, tool_call_id=call.id))


@pytest.fixture
def stdio():
    arguments = ("-m", "reachgym", "serve", *LOOKUP, "--mcp", "stdio")
    # Equal servers share a process, and these tests one each.
    return by_name(StdioServer(f"env{next(NUMBERS)}", sys.executable, arguments))


@pytest.fixture
def http(command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process, _ = command(*LOOKUP, "--mcp", "http", "--port", str(port))
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield by_name(HttpServer("env", f"http://127.0.0.1:{port}/mcp"))
    process.send_signal(signal.SIGTERM)


def test_it_offers_the_environment_s_tools_and_two_of_its_own(stdio):
    assert list(stdio) == ["begin_episode", "answer", "search"]
    parameters = stdio["search"].spec.parameters
    assert parameters["required"] == ["query"]
    assert set(parameters["properties"]) == {"query", "episode_id"}


@pytest.mark.parametrize("by_id", [False, True])
def test_an_episode_is_played_over_stdio(stdio, by_id):
    assert solve(stdio, by_id=by_id).startswith("passed, reward 1")


def test_an_episode_is_played_over_http(http):
    assert solve(http, by_id=True).startswith("passed, reward 1")


def test_mistakes_are_told_as_errors_of_tools(stdio):
    with pytest.raises(ToolError, match="call begin_episode"):
        stdio["search"].run({"query": "x"})
    with pytest.raises(ToolError, match="`split` and `index` together"):
        stdio["begin_episode"].run({"split": "train"})
    with pytest.raises(ToolError, match="no such session"):
        stdio["search"].run({"query": "x", "episode_id": "guessed"})
    assert solve(stdio).startswith("passed")
    with pytest.raises(ToolError, match="call reset"):
        stdio["answer"].run({"text": "again"})
