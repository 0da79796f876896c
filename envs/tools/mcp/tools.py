"""Makes tools of a server's tools: named, checked, called, and their results told as text."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial

from mcp_types import CallToolResult
from mcp_types import Tool as ServerTool

from reachgym.envs.errors import InfrastructureError, ToolError
from reachgym.envs.tools.base import Tool, UnboundTool
from reachgym.envs.tools.mcp.connection import Connection, shared_connection
from reachgym.envs.tools.mcp.content import as_text
from reachgym.envs.tools.mcp.limits import Limits
from reachgym.envs.tools.mcp.schema import ArgumentSchema
from reachgym.envs.tools.mcp.servers import McpServer
from reachgym.envs.types import JSON, ToolSpec
from reachgym.envs.workspace import Workspace

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_DIGEST_CHARS = 8

_Call = Callable[[str, dict[str, JSON]], CallToolResult]


def tools_of(server: McpServer, limits: Limits, *, per_episode: bool) -> list[Tool | UnboundTool]:
    """The tools of a server, as `mcp_tools` has it."""
    if not per_episode:
        shared = shared_connection(server, limits)
        return [_tool(server, limits, found, shared.call) for found in shared.list_tools()]
    asked = Connection(server, limits, isolated=True)
    try:
        listed = asked.list_tools()
    finally:
        asked.close_soon()
    sessions = _Sessions(server, limits)
    return [_unbound(server, limits, found, sessions) for found in listed]


def _tool(server: McpServer, limits: Limits, found: ServerTool, call: _Call) -> Tool:
    spec, schema = _described(server, limits, found)
    return Tool(spec, partial(_run, found.name, schema, call))


def _unbound(
    server: McpServer, limits: Limits, found: ServerTool, sessions: _Sessions
) -> UnboundTool:
    spec, schema = _described(server, limits, found)

    def run(workspace: Workspace, arguments: Mapping[str, JSON]) -> str:
        return _run(found.name, schema, partial(sessions.call, workspace), arguments)

    return UnboundTool(spec, run)


def _described(
    server: McpServer, limits: Limits, found: ServerTool
) -> tuple[ToolSpec, ArgumentSchema]:
    name = _name(server.name, found.name)
    spec = ToolSpec(name, found.description or found.title or "", found.input_schema)
    return spec, ArgumentSchema(name, found.input_schema, limits.reply_bytes)


def _name(server: str, tool: str) -> str:
    """A name that endpoints take: they allow few characters, and no more than 64."""
    whole = f"{server}__{tool}"
    name = _NOT_IN_NAMES.sub("_", whole)
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: _LONGEST_NAME - _DIGEST_CHARS - 1]}_{digest}"


def _run(tool: str, schema: ArgumentSchema, call: _Call, arguments: Mapping[str, JSON]) -> str:
    result = call(tool, schema.check(arguments))
    text = as_text(result)
    if result.is_error:
        raise ToolError(text or "the tool failed and said nothing")
    return text


class _Session:
    """An environment's connection in one episode, and how often it was called."""

    def __init__(self, number: int, connection: Connection, workspace: Workspace) -> None:
        self.number = number
        self.connection = connection
        self.calls = 0
        self.closed = False
        # Nothing waits here: a collection may happen in any thread.
        self._end = weakref.finalize(workspace, connection.close_soon)
        self._end.atexit = False

    def close(self) -> None:
        self.closed = True
        self._end.detach()
        self.connection.close()


class _Sessions:
    """A connection of its own for every episode, told apart by what is in its state."""

    def __init__(self, server: McpServer, limits: Limits) -> None:
        self._server = server
        self._limits = limits
        self._key = f"mcp:{server.name}"
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._held: weakref.WeakKeyDictionary[Workspace, _Session] = weakref.WeakKeyDictionary()

    def call(self, workspace: Workspace, tool: str, arguments: dict[str, JSON]) -> CallToolResult:
        session = self._session(workspace)
        session.calls += 1
        workspace.state[self._key] = [session.number, session.calls]
        return session.connection.call(tool, arguments)

    def _session(self, workspace: Workspace) -> _Session:
        with self._lock:
            held = self._held.get(workspace)
        known = workspace.state.get(self._key)
        if known is None:
            return self._begin(workspace)
        if held is None or held.closed or known != [held.number, held.calls]:
            raise InfrastructureError(
                f"what the MCP server '{self._server.name}' has done cannot be undone, so that an "
                "episode that has called it cannot be gone on with from a snapshot"
            )
        return held

    def _begin(self, workspace: Workspace) -> _Session:
        connection = Connection(self._server, self._limits, isolated=True)
        begun = _Session(next(self._numbers), connection, workspace)
        with self._lock:
            self._held[workspace] = begun
        workspace.at_end(begun.close)
        return begun
