"""The transport to a server over streamable HTTP, its replies bounded while they are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import MCP_SESSION_ID, streamable_http_client

from reachgym.envs.tools.mcp.limits import Limits, Traces

_CONNECT_S = 30.0
_IDLE_S = 300.0
# What the SDK says of an event that is too long; events are counted by it.
_LONG_EVENT = "event exceeded the"


def is_too_long(said: str, limits: Limits) -> bool:
    """Whether an error's text says that a reply was cut."""
    return limits.too_long() in said or _LONG_EVENT in said


@asynccontextmanager
async def http_transport(
    url: str, headers: Mapping[str, str], limits: Limits, traces: Traces
) -> AsyncGenerator[TransportStreams, None]:
    """A transport to an endpoint."""

    async def bound(response: httpx2.Response) -> None:
        traces.status = response.status_code
        traces.has_session |= MCP_SESSION_ID in response.headers
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Bounded(response.stream, limits)

    # Not compressed: what a few bytes unfold to would be bounded by nothing.
    asked = {**headers, "accept-encoding": "identity"}
    timeout = httpx2.Timeout(_CONNECT_S, read=max(_IDLE_S, limits.call_s))
    async with (
        httpx2.AsyncClient(
            headers=asked, timeout=timeout, event_hooks={"response": [_refuse_encoded, bound]}
        ) as client,
        streamable_http_client(
            url, http_client=client, max_sse_event_size=limits.reply_bytes
        ) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncByteStream):
    """A body of which no more is read than the limit."""

    def __init__(self, body: object, limits: Limits) -> None:
        self._body = body
        self._limits = limits

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        if isinstance(self._body, httpx2.AsyncByteStream):
            async for chunk in self._body:
                read += len(chunk)
                if read > self._limits.reply_bytes:
                    raise httpx2.StreamError(self._limits.too_long())
                yield chunk

    async def aclose(self) -> None:
        if isinstance(self._body, httpx2.AsyncByteStream):
            await self._body.aclose()


async def _refuse_encoded(response: httpx2.Response) -> None:
    coding = response.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise httpx2.DecodingError(f"it compressed its reply ({coding}) although not asked to")
