"""Real MCP servers: one made with the SDK, one written by hand; over stdio and over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reachgym.envs import Tool
from reachgym.envs.tools.mcp import HttpServer, StdioServer, mcp_tools

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def sdk_server() -> Callable[..., StdioServer]:
    def named(*arguments: str, name: str = "t", **options) -> StdioServer:
        program = str(PROGRAMS / "sdk_server.py")
        return StdioServer(name, sys.executable, (program, "stdio", *arguments), **options)

    return named


@pytest.fixture(scope="session")
def raw_server() -> Callable[..., StdioServer]:
    def named(*arguments: str, name: str = "raw", **options) -> StdioServer:
        program = str(PROGRAMS / "raw_server.py")
        return StdioServer(name, sys.executable, ("-I", program, *arguments), **options)

    return named


@pytest.fixture(scope="session")
def by_name() -> Callable[..., dict[str, Tool]]:
    """A server's tools by their names without the server's."""

    def named(server, **options) -> dict[str, Tool]:
        tools = mcp_tools(server, **options)
        return {tool.spec.name.partition("__")[2]: tool for tool in tools}

    return named


class Loopback:
    """A server over HTTP on a port that stays its own when it is started again."""

    def __init__(self, replies: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.replies = replies
        self.server = HttpServer("t", f"http://127.0.0.1:{self.port}/mcp")
        self.start()

    def start(self) -> None:
        program = [sys.executable, str(PROGRAMS / "sdk_server.py"), str(self.port)]
        self.process = subprocess.Popen([*program, self.replies], stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self.process.poll() is None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module", params=["sse", "json"])
def loopback(request) -> Iterator[Loopback]:
    server = Loopback(request.param)
    yield server
    server.kill()


@pytest.fixture
def stateless() -> Iterator[HttpServer]:
    server = Loopback("stateless")
    yield server.server
    server.kill()
