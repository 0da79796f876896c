"""One open connection to a server, on the background's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from mcp.client import Client
from mcp.client._transport import TransportStreams
from mcp.shared.exceptions import MCPError
from mcp_types import Tool
from pydantic import ValidationError

from reachgym.envs.tools.mcp.http import http_transport
from reachgym.envs.tools.mcp.limits import Limits, Traces
from reachgym.envs.tools.mcp.servers import (
    HttpServer,
    McpServer,
    StdioServer,
    expand,
    hide,
    secrets_of,
)
from reachgym.envs.tools.mcp.stdio import Launch, stdio_transport

_T = TypeVar("_T")

# What it logs is told in errors; where nobody reads a log, nothing is written to stderr.
for _name in ("mcp", "client"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

# What a question may end in besides an answer: the connection's end or time's, or nonsense.
SDK_ERRORS = (MCPError, TimeoutError, ConnectionError, RuntimeError, ValidationError)

_MOST_PAGES = 100
_CLOSE_S = 10.0
_CANCEL_S = 6.0
_LONGEST_MESSAGE = 500


class Session:
    """A connection, held by a task of its own.

    Args:
        server: The server.
        limits: What it may take.
        isolated: Whether the server is to keep this connection's state apart from others'.

    Raises:
        ConfigError: The server's program is not there, or a variable is not set.
    """

    def __init__(self, server: McpServer, limits: Limits, *, isolated: bool) -> None:
        secrets = secrets_of(server)
        self.traces = Traces(lambda text: hide(text, secrets))
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        # Sessions exist in the handshake's protocols only; without one, HTTP keeps no state apart.
        mode = "legacy" if isolated and isinstance(server, HttpServer) else "auto"
        transport = _transport(server, limits, self.traces)
        self._client: Client | None = None
        self.tools: list[Tool] = []
        self._holder = asyncio.create_task(self._hold(transport, mode))

    async def _hold(
        self, transport: AbstractAsyncContextManager[TransportStreams], mode: str
    ) -> None:
        async with Client(transport, mode=mode) as client:
            self._client = client
            self._ready.set()
            await self._stop.wait()

    async def opened(self, within_s: float) -> bool:
        """Wait until it is open; False if it did not open."""
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait(
            {ready, self._holder}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        return self._ready.is_set() and not self.over

    async def list_tools(self, within_s: float) -> None:
        """Ask for its tools, page by page.

        The SDK checks results against what was listed, and would ask again before the first call.

        Raises:
            ConnectionError: There is no end to them.
            Exception: One of `SDK_ERRORS`.
        """
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.ask(self.opened_client.list_tools(cursor=cursor), within_s)
            self.tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return
        raise ConnectionError(f"they are on more than {_MOST_PAGES} pages")

    @property
    def opened_client(self) -> Client:
        """The SDK's client.

        Raises:
            ConnectionError: It is not open.
        """
        if self._client is None:
            raise ConnectionError("the connection is not open")
        return self._client

    @property
    def over(self) -> bool:
        """Whether it is known that it has ended."""
        return self._holder.done() or self.traces.ended

    async def ask(self, question: Coroutine[Any, Any, _T], within_s: float) -> _T:
        """Ask it something.

        Raises:
            TimeoutError: It took longer; it was told to stop.
            ConnectionError: The connection ended.
        """
        task = asyncio.ensure_future(question)
        try:
            await asyncio.wait(
                {task, self._holder}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
            if self._holder.done():
                raise ConnectionError("the connection ended")
            raise TimeoutError
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCEL_S)

    async def give_up(self) -> None:
        """End it at once."""
        self.traces.given_up = True
        await self.close()

    async def close(self) -> None:
        """End it, whatever state it is in."""
        self.traces.end("")
        self._stop.set()
        if not self._ready.is_set():
            self._holder.cancel()
        await asyncio.wait({self._holder}, timeout=_CLOSE_S)
        if self._holder.done() and not self._holder.cancelled():
            # Looked at, so that asyncio does not complain of it.
            self._holder.exception()
        self._holder.cancel()

    def why(self) -> str:
        """Why it is over, as far as that is known."""
        if self._holder.done() and not self._holder.cancelled():
            error = self._holder.exception()
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            if error is not None and not self.traces.fault:
                self.traces.fault = (str(error) or type(error).__name__)[:_LONGEST_MESSAGE]
        return self.traces.told()


def _transport(
    server: McpServer, limits: Limits, traces: Traces
) -> AbstractAsyncContextManager[TransportStreams]:
    if isinstance(server, StdioServer):
        return stdio_transport(Launch.of(server), limits, traces)
    headers = {name: expand(value, server.name) for name, value in server.headers.items()}
    return http_transport(expand(server.url, server.name), headers, limits, traces)
