"""A server that can be called from any thread: connected when needed, and again when it broke."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from concurrent.futures import wait

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, Tool

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.tools.mcp import background
from reachgym.envs.tools.mcp.http import is_too_long
from reachgym.envs.tools.mcp.limits import TOO_LONG, Limits
from reachgym.envs.tools.mcp.servers import HttpServer, McpServer, identity
from reachgym.envs.tools.mcp.session import SDK_ERRORS, Session
from reachgym.envs.types import JSON

_PROBE_S = 5.0
_EXIT_S = 10.0
_LONGEST_MESSAGE = 500


class Connection:
    """A server, connected when it is first needed.

    Args:
        server: The server.
        limits: What it may take.
        isolated: Whether it keeps state for whoever holds this connection; such a one is never
            connected again, as the state would be lost.
    """

    def __init__(self, server: McpServer, limits: Limits, *, isolated: bool = False) -> None:
        self.server = server
        self.limits = limits
        self.isolated = isolated
        self._session: Session | None = None
        self._spent = False
        self._lock = asyncio.Lock()
        _CONNECTIONS.add(self)

    def list_tools(self) -> list[Tool]:
        """The server's tools.

        Raises:
            ConfigError: The server's program is not there, a variable is not set, or state is to be
                kept apart over HTTP and the server gives no sessions.
            InfrastructureError: It cannot be started or reached, or makes no sense.
        """
        return background.run(self._list())

    def call(self, tool: str, arguments: dict[str, JSON]) -> CallToolResult:
        """Call a tool; the server's own error is a result.

        Raises:
            ToolError: It took too long, is too long, or the server refuses the arguments.
            InfrastructureError: As `list_tools`, or the server is gone or answers nobody.
        """
        return background.run(self._call(tool, arguments))

    def close(self) -> None:
        """End the connection, and the server if it was started for it; again does nothing."""
        background.run(self._drop())

    def close_soon(self) -> None:
        """As `close`, without waiting."""
        background.begin(self._drop())

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self._session is not None

    def forget(self) -> None:
        """Take what is open for the parent process's, after a fork."""
        _INHERITED.append(self._session)
        self._session = None
        self._lock = asyncio.Lock()

    async def _list(self) -> list[Tool]:
        return (await self._connected()).tools

    async def _call(self, tool: str, arguments: dict[str, JSON]) -> CallToolResult:
        session = await self._connected()
        asked = session.opened_client.call_tool(tool, arguments)
        try:
            return await session.ask(asked, self.limits.call_s)
        except MCPError as error:
            said = error.message[:_LONGEST_MESSAGE]
            if error.code == TOO_LONG or is_too_long(error.message, self.limits):
                raise ToolError(self.limits.too_long()) from None
            if error.code == INVALID_PARAMS:
                raise ToolError(said or "the server refuses the arguments") from None
            raise await self._broken(session, f"failed at {tool}: {said}") from None
        except TimeoutError:
            if await self._answers(session):
                raise ToolError(f"timed out after {self.limits.call_s:g} s") from None
            raise await self._broken(session, f"answers nobody since a call of {tool}") from None
        except SDK_ERRORS as error:
            said = str(error)[:_LONGEST_MESSAGE]
            raise await self._broken(session, f"failed at {tool}: {said}") from None

    async def _connected(self) -> Session:
        async with self._lock:
            if self._session is not None and not self._session.over:
                return self._session
            if self._spent and self.isolated:
                raise InfrastructureError(
                    f"the MCP server '{self.server.name}' lost this episode's session; reset the "
                    "environment"
                )
            if self._session is not None:
                await self._session.close()
            self._session = None
            self._session = await self._open()
            self._spent = True
            return self._session

    async def _open(self) -> Session:
        session = Session(self.server, self.limits, isolated=self.isolated)
        try:
            if await session.opened(self.limits.start_s):
                self._check_isolation(session)
                await session.list_tools(self.limits.start_s)
                return session
            kind = "reached" if isinstance(self.server, HttpServer) else "started"
            within = "" if session.over else f" within {self.limits.start_s:g} s"
            problem = f"could not be {kind}{within}"
        except SDK_ERRORS as error:
            problem = f"did not list its tools: {str(error) or 'it took too long'}"
        except BaseException:
            await session.give_up()
            raise
        await session.give_up()
        raise self._failure(session, problem)

    def _check_isolation(self, session: Session) -> None:
        if self.isolated and isinstance(self.server, HttpServer) and not session.traces.has_session:
            raise ConfigError(
                f"the MCP server '{self.server.name}' gives no sessions over HTTP, so that it "
                "cannot keep episodes apart; share it, or run it over stdio"
            )

    async def _broken(self, session: Session, problem: str) -> InfrastructureError:
        """What to raise where a server failed; one that answers nobody is ended."""
        if not await self._answers(session):
            async with self._lock:
                await session.give_up()
                if self._session is session:
                    self._session = None
        return self._failure(session, problem)

    async def _answers(self, session: Session) -> bool:
        """Whether a server still does anything."""
        if session.over:
            return False
        try:
            probe = session.opened_client.session.list_tools()
            await session.ask(probe, min(_PROBE_S, self.limits.call_s))
        except MCPError as error:
            # A refusal is an answer, if it comes from the server and not for it.
            return error.code == INVALID_PARAMS
        except SDK_ERRORS:
            return False
        return True

    def _failure(self, session: Session, problem: str) -> InfrastructureError:
        told = session.why()
        text = f"the MCP server '{self.server.name}' {session.traces.hide(problem)}"
        return InfrastructureError(f"{text}; {told}" if told else text)

    async def _drop(self) -> None:
        async with self._lock:
            session, self._session = self._session, None
            if session is not None:
                await session.close()


_CONNECTIONS: weakref.WeakSet[Connection] = weakref.WeakSet()
# Kept, as collecting them would end what belongs to the parent.
_INHERITED: list[Session | None] = []


class _Shared:
    """The connections that all environments of a process have in common."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: dict[tuple[str, Limits], Connection] = {}


_SHARED = _Shared()


def shared_connection(server: McpServer, limits: Limits) -> Connection:
    """The process's one connection to a server."""
    with _SHARED.lock:
        key = (identity(server), limits)
        if key not in _SHARED.made:
            _SHARED.made[key] = Connection(server, limits)
        return _SHARED.made[key]


def _close_all() -> None:
    open_ones = [connection for connection in _CONNECTIONS if connection.is_open]
    wait([background.begin(connection._drop()) for connection in open_ones], timeout=_EXIT_S)


def _forget_all() -> None:
    _SHARED.lock = threading.Lock()
    for connection in _CONNECTIONS:
        connection.forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
