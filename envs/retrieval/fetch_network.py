"""Connections to addresses that were checked, within a time that nothing prolongs."""

from __future__ import annotations

import errno
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence

import httpcore
import httpx

from reachgym.envs.retrieval.fetch_addresses import Address

_NO_ROUTE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class NoNetworkError(httpcore.ConnectError):
    """This machine has no way to any host."""


class _NoIPv6Error(httpcore.ConnectError):
    """This machine has no way to hosts that have IPv6 addresses only."""


class Deadline:
    """A moment after which nothing more is waited for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until_s = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds that are left.

        Raises:
            httpcore.TimeoutException: None are.
        """
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout(f"it took longer than {self.seconds:g} s")
        return left_s


class PinnedTransport(httpx.BaseTransport):
    """Sends one request to given addresses, whatever its host's name says by then.

    The request keeps the name: in its `Host` header, and in TLS, where the certificate is checked
    against it. No proxy is used.
    """

    def __init__(
        self, addresses: Sequence[Address], deadline: Deadline, tls: ssl.SSLContext
    ) -> None:
        """Prepare for one request.

        Args:
            addresses: What to connect to; the next one where the one before cannot be had.
            deadline: When all of it ends.
            tls: How certificates are checked.
        """
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=_PinnedBackend(addresses, deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises httpcore's exceptions."""
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        """End the connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _PinnedBackend(httpcore.NetworkBackend):
    def __init__(self, addresses: Sequence[Address], deadline: Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the addresses that can be had; the name is not looked up."""
        failures: list[Exception] = []
        for position, address in enumerate(self._addresses):
            # Each of those that are left gets its share, so that a dead one does not take it all.
            share_s = self._deadline.left_s() / (len(self._addresses) - position)
            try:
                stream = self._backend.connect_tcp(str(address), port, timeout=share_s)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failures.append(_read(error, address))
            else:
                return _TimedStream(stream, self._deadline)
        raise min(failures, key=_rank)


def _read(error: Exception, address: Address) -> Exception:
    """The error, told apart where it is this machine that has no network."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _NO_ROUTE:
        # Many machines have no IPv6, and lack nothing but the hosts that have nothing else.
        return NoNetworkError(cause.strerror) if address.version == 4 else _NoIPv6Error()
    return error


def _rank(error: Exception) -> int:
    """What a host's server did says most; that there is no IPv6 says least."""
    return 2 if isinstance(error, _NoIPv6Error) else int(isinstance(error, NoNetworkError))


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every operation ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        return self._stream.read(max_bytes, self._deadline.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes."""
        self._stream.write(buffer, self._deadline.left_s())

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Go on encrypted."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left_s())
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        """What the stream below tells of itself."""
        return self._stream.get_extra_info(info)
