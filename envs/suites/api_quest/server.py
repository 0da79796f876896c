"""The HTTP server of this process, on loopback: it answers each episode by the episode's token."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from weakref import WeakValueDictionary

import httpx

from reachgym.envs.errors import InfrastructureError
from reachgym.envs.tools.http import MOST_REQUEST_BYTES, HttpReply, HttpRequest
from reachgym.envs.types import JSON

_TOKEN = "X-Episode"
_HOST = "127.0.0.1"
_REQUEST_S = 10.0
_IDLE_S = 60.0
# Sooner than the server's, which would else close a connection that is about to be used.
_KEPT_S = 20.0
_MOST_REPLY_BYTES = 65536


class Door:
    """One episode's way into the server; while it is held, its token is answered.

    Attributes:
        token: What requests of the episode carry.
        answer: Answers a request from method, target and body.
    """

    def __init__(self, answer: Callable[[str, str, bytes], tuple[int, JSON]]) -> None:
        self.token = secrets.token_hex(16)
        self.answer = answer


_doors: WeakValueDictionary[str, Door] = WeakValueDictionary()
_servers: dict[int, _Server] = {}
_starting = threading.Lock()


def open_door(answer: Callable[[str, str, bytes], tuple[int, JSON]]) -> Door:
    """A way in for one episode; whoever opens it closes it."""
    door = Door(answer)
    _doors[door.token] = door
    return door


def close_door(door: Door) -> None:
    """Have its token answered no more; again does nothing."""
    _doors.pop(door.token, None)


def open_doors() -> int:
    """How many episodes have a way in."""
    return len(_doors)


def send(door: Door, request: HttpRequest) -> HttpReply:
    """Send a request through a door.

    Raises:
        InfrastructureError: The server failed, or did not answer in time.
    """
    server = _server()
    try:
        reply = server.client.request(
            request.method,
            f"http://{_HOST}:{server.port}{request.target}",
            content=request.body,
            headers={_TOKEN: door.token},
        )
    except httpx.HTTPError as error:
        raise InfrastructureError(
            f"the API's server gave no reply: {type(error).__name__}: {error}"
        ) from error
    if reply.status_code >= 500 or len(reply.content) > _MOST_REPLY_BYTES:
        raise InfrastructureError(
            f"the API's server failed with status {reply.status_code} and "
            f"{len(reply.content)} bytes: {reply.text[:200]!r}"
        )
    return HttpReply(reply.status_code, reply.text)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests, one after the other."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    # Head and body leave together, or the next packet would wait for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _reply(self) -> None:
        length = self.headers.get("Content-Length", "0")
        door = _doors.get(self.headers.get(_TOKEN, ""))
        if not length.isdecimal() or int(length) > MOST_REQUEST_BYTES:
            self._write(413, {"error": "content too large"}, close=True)
        elif door is None:
            self._write(403, {"error": "forbidden"}, close=True)
        else:
            body = self.rfile.read(int(length))
            try:
                status, told = door.answer(self.command, self.path, body)
            except Exception as error:
                status, told = 500, {"error": f"{type(error).__name__}: {error}"}
            self._write(status, told)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

    def _write(self, status: int, told: JSON, *, close: bool = False) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error is the trainer's."""


class _Server:
    """A server, its thread, and the client that calls it."""

    def __init__(self) -> None:
        self._http = ThreadingHTTPServer((_HOST, 0), _Handler)
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])
        threading.Thread(target=self._http.serve_forever, name="api-quest", daemon=True).start()
        # Loopback is called as it is: no proxy of the user's, no redirection.
        self.client = httpx.Client(
            timeout=_REQUEST_S,
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=_KEPT_S),
        )

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._http.shutdown()
        self._http.server_close()

    def drop(self) -> None:
        """Let go, in a fork, of what the parent's goes on to use."""
        self._http.socket.close()


def _server() -> _Server:
    with _starting:
        pid = os.getpid()
        if pid not in _servers:
            _servers[pid] = _Server()
        return _servers[pid]


def _close_at_exit() -> None:
    server = _servers.pop(os.getpid(), None)
    if server is not None:
        server.close()


def _start_anew() -> None:
    """A fork has no thread that serves: it starts a server of its own when it needs one."""
    _starting.release()
    for server in _servers.values():
        server.drop()
    _servers.clear()


atexit.register(_close_at_exit)
# Never forked while held, or the child would wait for a thread it does not have.
os.register_at_fork(
    before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_start_anew
)
