"""A scripted server on loopback, certificates, and searches and fetchers that may speak to it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from reachgym.envs.retrieval.fetching import Fetcher, FetchLimits
from reachgym.envs.retrieval.web import WebSearch
from reachgym.envs.retrieval.web_retries import Retries


@dataclass
class Heard:
    """One request."""

    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: tuple[str, int]


@dataclass
class Server:
    """Answers each request by script, with bytes or with pieces of them, and then hangs up."""

    script: Callable[[Heard], bytes | Iterable[bytes]]
    address: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    heard: list[Heard] = field(default_factory=list)
    sni: list[str | None] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    outer._answer(self)

        class Threaded(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Threaded((self.address, 0), Handler)
        if self.tls is not None:
            self.tls.sni_callback = lambda sock, name, context: self.sni.append(name)
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: socketserver.StreamRequestHandler) -> None:
        first = handler.rfile.readline().decode()
        if not first:
            return
        headers = {}
        while line := handler.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ", 2)
        heard = Heard(len(self.heard), method, target, headers, body, handler.client_address)
        self.heard.append(heard)
        answer = self.script(heard)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            handler.wfile.write(piece)
            self.sent += len(piece)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    servers: list[Server] = []

    def start(script, **fields) -> Server:
        servers.append(Server(script, **fields))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def reply() -> Callable[..., bytes]:
    """Makes a whole answer; underscores in names of headers stand for hyphens."""

    def make(body: bytes | str | dict = b"", status: int = 200, **headers: str) -> bytes:
        data = json.dumps(body) if isinstance(body, dict) else body
        data = data.encode() if isinstance(data, str) else data
        named = {"content_type": "text/plain", "content_length": str(len(data))} | headers
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + data

    return make


@pytest.fixture
def fetcher() -> Callable[..., Fetcher]:
    """A fetcher that may speak to this machine, where each name is 127.0.0.1 unless told else."""

    def make(*servers: Server, names: dict[str, str] | None = None, **options) -> Fetcher:
        def resolver(host: str):
            return [ipaddress.ip_address((names or {}).get(host, "127.0.0.1"))]

        chosen = {
            "hosts": ["site.test"],
            "ports": [server.port for server in servers] or [80],
            "limits": FetchLimits(total_s=2.0),
            "admits": lambda address: address.is_loopback,
            "resolver": resolver,
        }
        return Fetcher(**chosen | options)

    return make


@pytest.fixture
def get(serve, fetcher):
    """Fetches from a server that gives one answer."""

    def run(answer, path="/", **options):
        server = serve(lambda heard: answer)
        return fetcher(server, **options).fetch(f"http://site.test:{server.port}{path}")

    return run


@pytest.fixture
def search(tmp_path) -> Callable[..., WebSearch]:
    """A search without long waits, its pace kept apart from that of others."""

    def make(provider, **options) -> WebSearch:
        quick = Retries(attempts=3, total_s=5.0, request_s=1.0, first_s=0.01, longest_s=0.02)
        return WebSearch(provider, **{"retries": quick, "pace_root": tmp_path / "pace"} | options)

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> SimpleNamespace:
    """A certificate for site.test: a server's context, and a client's that trusts it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=site.test"),
            *("-addext", "subjectAltName=DNS:site.test", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )

    def server() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    return SimpleNamespace(server=server, client=ssl.create_default_context(cafile=str(cert)))


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
