"""One request to an endpoint and what comes of it: a reply, or a fault."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from reachgym.agents.endpoint.allowances import exhausted_s
from reachgym.agents.endpoint.completions import is_finished
from reachgym.agents.endpoint.events import EventReader
from reachgym.agents.endpoint.faults import Fault, fault_of_status
from reachgym.agents.endpoint.replies import MalformedReplyError, Reply, ReplyBuilder
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.envs.errors import (
    EndpointConnectionError,
    EndpointRefusedError,
    EndpointReplyError,
    EndpointTimeoutError,
)
from reachgym.envs.secret import Secret

_DONE = b"[DONE]"
_FILTERED = "content_filter"
# Longer than most servers keep an idle connection: the one that ends it first should be us only
# where it is really out of use.
_KEEP_ALIVE_S = 30.0
# A reply is there when its last event is; its connection is worth this much waiting and no more.
_LINGER_S = 0.2


class Exchange:
    """Sends requests and reads replies; used from one event loop.

    It is built on httpx's transport over aiohttp's sockets, whose pool does not slow down with the
    number of connections, and without httpx's client: no redirect is followed, so that the key goes
    to the host of the settings only.
    """

    def __init__(
        self, settings: EndpointSettings, key: Secret | None, hold: Callable[[float], None]
    ) -> None:
        """Prepare for requests.

        Args:
            settings: Where to, and how long to wait.
            key: Sent with every request.
            hold: Called with seconds when the server says that an allowance is used up.
        """
        self._settings = settings
        self._key = key
        self._hold = hold
        self._url = httpx.URL(settings.url)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = key.in_header("Bearer ")
        self._headers = httpx.Headers(headers)
        timeout = httpx.Timeout(None, connect=settings.timeouts.connect_s)
        self._extensions = {"timeout": timeout.as_dict()}
        self._transport = AiohttpTransport(
            verify=_tls(),
            limits=httpx.Limits(
                max_connections=settings.concurrency, keepalive_expiry=_KEEP_ALIVE_S
            ),
            proxy=_proxy_for(self._url),
        )

    async def ask(self, body: bytes) -> Reply | Fault:
        """Send a request and read what comes back."""
        request = httpx.Request(
            "POST", self._url, headers=self._headers, content=body, extensions=self._extensions
        )
        patience = _Patience(self._settings)
        try:
            async with asyncio.timeout_at(patience.until_s) as timer:
                patience.timer = timer
                response = await self._transport.handle_async_request(request)
                try:
                    return await self._read(response, patience)
                finally:
                    await response.aclose()
        except MalformedReplyError as error:
            problem = f"{self._settings.url} sent no chat completion: {error}"
            return Fault(EndpointReplyError(self.redact(problem)))
        except TimeoutError:
            problem = f"{self._settings.url} {patience.problem}"
            return Fault(EndpointTimeoutError(problem), overloaded=True)
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return self._disconnected(error)

    async def close(self) -> None:
        """End every connection."""
        await self._transport.aclose()

    def redact(self, text: str) -> str:
        """The text without the key."""
        return text if self._key is None else self._key.redact(text)

    async def _read(self, response: httpx.Response, patience: _Patience) -> Reply | Fault:
        # An ordinary dictionary: each look into httpx's own decodes all of them.
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers.raw
        }
        refill_s = exhausted_s(headers)
        if refill_s is not None:
            self._hold(refill_s)
        pieces = _pieces(response, headers)
        if response.status_code != 200:
            text = b"".join([piece async for piece in pieces]).decode("utf-8", "replace")
            return fault_of_status(response.status_code, headers, text, self._settings, self.redact)
        builder = ReplyBuilder()
        if headers.get("content-type", "").startswith("text/event-stream"):
            async for data in _events(pieces):
                patience.heard()
                builder.add(data)
            await _drain(pieces)
        else:
            builder.add(b"".join([piece async for piece in pieces]))
        return self._judged(builder.reply())

    def _judged(self, reply: Reply) -> Reply | Fault:
        """The reply if the model ended it, and otherwise what broke it off."""
        if is_finished(reply):
            return reply
        text = f"{self._settings.url} ended a reply with {self.redact(reply.finish_reason)!r}"
        if reply.finish_reason == _FILTERED:
            advice = "its filter cut what the model said; pose other tasks, or change the filter"
            return Fault(EndpointRefusedError(f"{text}: {advice}"), retry=False)
        return Fault(EndpointReplyError(text))

    def _disconnected(self, error: Exception) -> Fault:
        # The transport's own names mislead: a lost connection is told as a timeout there.
        cause = error.__cause__ or error
        problem = self.redact(f"{self._settings.url}: {type(cause).__name__}: {cause}")
        if isinstance(cause, TimeoutError):
            return Fault(EndpointTimeoutError(problem), overloaded=True)
        return Fault(EndpointConnectionError(problem))


class _Patience:
    """How long one request may still take, and what to say when it took longer."""

    def __init__(self, settings: EndpointSettings) -> None:
        now_s = asyncio.get_running_loop().time()
        self._times = settings.timeouts
        self._streams = settings.stream
        self._end_s = now_s + self._times.request_s
        self._heard = False
        self.timer: asyncio.Timeout | None = None
        self.until_s = min(self._end_s, now_s + self._times.first_s)
        if not self._streams:
            self.until_s = self._end_s

    @property
    def problem(self) -> str:
        """What the server did not do in time."""
        if self.until_s == self._end_s:
            return f"did not finish a reply within {self._times.request_s:g} s"
        if self._heard:
            return f"fell silent for {self._times.stall_s:g} s in the middle of a reply"
        return f"began no reply within {self._times.first_s:g} s"

    def heard(self) -> None:
        """Wait anew: a piece of the reply came."""
        self._heard = True
        silent_s = asyncio.get_running_loop().time() + self._times.stall_s
        self.until_s = min(self._end_s, silent_s)
        if self.timer is not None:
            self.timer.reschedule(self.until_s)


def _pieces(response: httpx.Response, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The body as it comes, decoded where the server encoded it unasked."""
    if "content-encoding" in headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return aiter(response.stream)


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of the stream's events up to the one that ends it."""
    reader = EventReader()
    async for piece in pieces:
        for data in reader.feed(piece):
            if data == _DONE:
                return
            yield data
    for data in reader.close():
        if data != _DONE:
            yield data


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end behind the last event: only then the connection can be used again."""
    with suppress(TimeoutError, httpx.HTTPError, aiohttp.ClientError):
        async with asyncio.timeout(_LINGER_S):
            async for _ in pieces:
                pass


@cache
def _tls() -> ssl.SSLContext:
    """Loading the authorities takes longer than many a request."""
    return httpx.create_ssl_context()


def _proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy that the environment names for a URL, as httpx's own client would take it."""
    proxy = getproxies().get(url.scheme)
    return httpx.Proxy(proxy) if proxy and not proxy_bypass(url.host) else None
