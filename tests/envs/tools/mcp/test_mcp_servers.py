"""Servers from the common JSON file."""

from __future__ import annotations

import json

import pytest

from reachgym.envs.errors import ConfigError
from reachgym.envs.tools.mcp import HttpServer, StdioServer, mcp_tools, read_mcp_servers


def test_a_file_of_servers_is_read_in_its_order(tmp_path):
    path = tmp_path / "mcp.json"
    entries = {
        "files": {"command": "npx", "args": ["-y", "files"], "env": {"A": "${B}"}, "timeout": 9},
        "off": {"command": "x", "disabled": True},
        "web": {"type": "http", "url": "https://e.example/mcp", "headers": {"X": "y"}},
    }
    path.write_text(json.dumps({"mcpServers": entries, "inputs": []}))
    assert read_mcp_servers(path) == [
        StdioServer("files", "npx", ("-y", "files"), {"A": "${B}"}),
        HttpServer("web", "https://e.example/mcp", {"X": "y"}),
    ]


def test_a_servers_tools_come_from_a_file(tmp_path, raw_server):
    server = raw_server()
    entry = {"command": server.command, "args": list(server.args)}
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"mine": entry}}))
    tools = [tool for server in read_mcp_servers(path) for tool in mcp_tools(server)]
    assert tools[0].spec.name == "mine__echo"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Invalid JSON"),
        ("{}", "mcpServers: Field required"),
        ('{"mcpServers": {"a": {}}}', "'a' needs either a command or a url"),
        ('{"mcpServers": {"a": {"command": "x", "url": "y"}}}', "either a command or a url"),
        ('{"mcpServers": {"a": {"command": 1}}}', r"a\.command: Input should be a valid string"),
        ('{"mcpServers": {"a": {"type": "sse", "url": "x"}}}', r"a\.type: Input should be"),
        ('{"mcpServers": {"a": {"type": "http", "command": "x"}}}', "of type http and has no url"),
        ('{"mcpServers": {"a": {"env": {"KEY": 1234567}}}}', "env.KEY"),
    ],
)
def test_another_shape_is_refused_and_no_value_quoted(tmp_path, text, told):
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        read_mcp_servers(path)
    assert "1234567" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match="expected a JSON file of MCP servers"):
        read_mcp_servers(tmp_path / "none.json")
