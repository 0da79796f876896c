"""A server of one environment, over HTTP and WebSocket, that OpenEnv's clients can talk to.

A WebSocket at `/ws` is a session: it lasts as long as the connection. Over HTTP, `POST /sessions`
opens one and answers its id; `POST /sessions/ID/reset`, `POST /sessions/ID/step`, `GET
/sessions/ID/state` and `DELETE /sessions/ID` use it. `GET /health`, `/metadata`, `/schema` and
`/sessions` tell of the server. What is wrong with a request is told as `{"error": ...}`, on a
WebSocket as `{"type": "error", "data": {"message": ..., "code": ...}}`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from aiohttp import WSMsgType, web

from reachgym.envs.errors import ConfigError, EpisodeError, InfrastructureError, InputError
from reachgym.envs.listening import listen, listening
from reachgym.envs.registration import EnvRef
from reachgym.envs.secret import Secret
from reachgym.envs.serving.about import schema_of
from reachgym.envs.serving.pool import Pool
from reachgym.envs.serving.sessions import FullError, NoSessionError, Session, Sessions
from reachgym.envs.types import JSON

PORT = 8000
MOST_BYTES = 4 * 2**20
_RETRY_AFTER_S = 1
# A client that does not answer within half of it is gone.
_HEARTBEAT_S = 30.0
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")

_KINDS = ("reset", "step", "state")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How an environment is served.

    Attributes:
        host: The address to listen at.
        port: 0 takes any that is free.
        sessions: The most that are open at once.
        idle_s: Seconds without a request after which a session is ended.
        threads: Environments at work at once.
        token_env: The variable that holds what clients must show as a bearer token; None asks none.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    sessions: int = 500
    idle_s: float = 600.0
    threads: int = 32
    token_env: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be served.

        Raises:
            ConfigError: A number is not above 0.
        """
        if min(self.sessions, self.threads) < 1 or not self.idle_s > 0:
            raise ConfigError(
                "expected sessions and threads from 1 on and idle_s above 0, got "
                f"{self.sessions}, {self.threads} and {self.idle_s}"
            )


def serve(ref: EnvRef, settings: ServerSettings, ready: Callable[[str], None]) -> None:
    """Serve an environment until the process is told to end (SIGINT or SIGTERM).

    Raises:
        InputError: There is no such environment, no such token, or the port cannot be had.
    """
    listen(application(ref, settings), settings.host, settings.port, ready)


@contextmanager
def serving(ref: EnvRef, settings: ServerSettings) -> Iterator[str]:
    """Serve an environment from a thread of this process, and give the URL.

    Raises:
        InputError: As `serve`.
    """
    with listening(application(ref, settings), settings.host, settings.port) as url:
        yield url


def application(ref: EnvRef, settings: ServerSettings) -> web.Application:
    """The server of an environment, for those who run aiohttp themselves.

    Raises:
        InputError: There is no such environment, or no such token.
    """
    server = _Server(ref, settings, _token(settings.token_env))
    app = web.Application(middlewares=[server.checked], client_max_size=MOST_BYTES)
    app.add_routes(
        [
            web.get("/health", server.health),
            web.get("/metadata", server.metadata),
            web.get("/schema", server.schema),
            web.get("/sessions", server.told),
            web.post("/sessions", server.opened),
            web.post("/sessions/{id}/reset", server.reset),
            web.post("/sessions/{id}/step", server.stepped),
            web.get("/sessions/{id}/state", server.state),
            web.delete("/sessions/{id}", server.closed),
            web.get("/ws", server.socket),
        ]
    )
    app.cleanup_ctx.append(server.running)
    return app


def _token(name: str | None) -> Secret | None:
    token = Secret.from_environment(name)
    if name is not None and token is None:
        raise ConfigError(f"expected a token in the environment variable {name}, got nothing")
    return token


class _Server:
    def __init__(self, ref: EnvRef, settings: ServerSettings, token: Secret | None) -> None:
        self._ref = ref
        self._settings = settings
        self._token = token
        self._pool = Pool(ref, settings.sessions)
        self._about = schema_of()
        self._sessions: Sessions | None = None

    @property
    def sessions(self) -> Sessions:
        """Those of the loop that serves."""
        if self._sessions is None:
            raise InfrastructureError("the server is not running")
        return self._sessions

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """Ends idle sessions while the server runs, and all of them with it."""
        del app
        settings = self._settings
        self._sessions = Sessions(
            self._pool, most=settings.sessions, idle_s=settings.idle_s, threads=settings.threads
        )
        watching = asyncio.create_task(self._sessions.watch())
        yield
        watching.cancel()
        await self._sessions.close()

    @web.middleware
    async def checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse strangers, and tell what is wrong with a request."""
        try:
            self._check(request)
            return await handler(request)
        except FullError as error:
            headers = {"Retry-After": str(_RETRY_AFTER_S)}
            return web.json_response({"error": str(error)}, status=503, headers=headers)
        except web.HTTPException as error:
            return web.json_response({"error": error.text}, status=error.status)
        except Exception as error:
            status = _status(error)
            if status is None:
                raise
            return web.json_response({"error": str(error)}, status=status)

    async def health(self, request: web.Request) -> web.Response:
        """Whether it serves."""
        del request
        return web.json_response({"status": "healthy"})

    async def metadata(self, request: web.Request) -> web.Response:
        """What it serves."""
        del request
        return web.json_response(
            {"name": self._ref.id, "description": f"reachgym environment {self._ref.text}"}
        )

    async def schema(self, request: web.Request) -> web.Response:
        """What actions, observations and states look like, as JSON schemas."""
        del request
        return web.json_response(self._about)

    async def told(self, request: web.Request) -> web.Response:
        """How many sessions there are and were."""
        del request
        counts = self.sessions.counts
        return web.json_response(
            {
                "open": len(self.sessions),
                "most": self.sessions.most,
                "opened": counts.opened,
                "refused": counts.refused,
                "expired": counts.expired,
            }
        )

    async def opened(self, request: web.Request) -> web.Response:
        """Open a session."""
        del request
        session = self.sessions.open()
        return web.json_response({"session_id": session.id, "idle_s": self.sessions.idle_s})

    async def reset(self, request: web.Request) -> web.Response:
        """Begin an episode."""
        session, data = self._session(request), await _json(request)
        if not isinstance(data, dict):
            raise InputError("expected a reset as an object, e.g. {}")
        work = partial(session.episode.reset, data)
        return web.json_response(await self.sessions.ask(session, work))

    async def stepped(self, request: web.Request) -> web.Response:
        """Take the agent's turn."""
        session, data = self._session(request), await _json(request)
        if not isinstance(data, dict) or "action" not in data:
            raise InputError('expected {"action": {...}}')
        work = partial(session.episode.step, data["action"])
        return web.json_response(await self.sessions.ask(session, work))

    async def state(self, request: web.Request) -> web.Response:
        """Where the episode stands."""
        session = self._session(request)
        return web.json_response(await self.sessions.ask(session, session.episode.state))

    async def closed(self, request: web.Request) -> web.Response:
        """End a session."""
        self.sessions.end(self._session(request))
        return web.json_response({"closed": True})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """A session that lasts as long as the connection."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=MOST_BYTES)
        await socket.prepare(request)
        try:
            session = self.sessions.open()
        except FullError as error:
            await _send(socket, _error("CAPACITY_REACHED", str(error)))
            await socket.close()
            return socket
        ending = asyncio.create_task(_close_when_ended(socket, session))
        try:
            await self._talk(socket, session)
        finally:
            ending.cancel()
            self.sessions.end(session)
        return socket

    async def _talk(self, socket: web.WebSocketResponse, session: Session) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await _send(socket, _error("INVALID_JSON", "expected a text message"))
                continue
            reply = await self._reply(session, message.data)
            if reply is None:
                return
            await _send(socket, reply)

    async def _reply(self, session: Session, text: str) -> dict[str, JSON] | None:
        """What a message is answered; None where it closes the session."""
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError) as error:
            return _error("INVALID_JSON", f"expected JSON: {error}")
        if isinstance(asked, dict) and asked.get("type") == "close":
            return None
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind not in _KINDS:
            return _error(
                "UNKNOWN_TYPE", f"expected one of {', '.join(_KINDS)} or close, got {kind!r}"
            )
        try:
            return await self._answer(session, kind, asked.get("data"))
        except Exception as error:
            status = _status(error)
            if status is None:
                raise
            return _error("VALIDATION_ERROR" if status == 400 else "EXECUTION_ERROR", str(error))

    async def _answer(self, session: Session, kind: str, data: object) -> dict[str, JSON]:
        if kind == "state":
            told = await self.sessions.ask(session, session.episode.state)
            return {"type": "state", "data": told}
        if kind == "step":
            work = partial(session.episode.step, data)
        elif isinstance(data, dict | None):
            work = partial(session.episode.reset, data or {})
        else:
            raise InputError("expected the data of a reset as an object, e.g. {}")
        return {"type": "observation", "data": await self.sessions.ask(session, work)}

    def _session(self, request: web.Request) -> Session:
        return self.sessions.find(request.match_info["id"])

    def _check(self, request: web.Request) -> None:
        """Whether whoever asks may.

        A page of another site that a browser on this machine shows must not reach the server: not
        by a name that it lets stand for this address, and not by a WebSocket.
        """
        name = request.host.rpartition(":")[0] if request.host[-1:] != "]" else request.host
        if self._settings.host in LOCAL_HOSTS and name.strip("[]") not in LOCAL_HOSTS:
            raise web.HTTPForbidden(text=f"expected a local host name, got {request.host!r}")
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise web.HTTPForbidden(text=f"expected no page of another site, got {origin!r}")
        given = request.headers.get("Authorization", "")
        if self._token is not None and not self._token.is_in_header(given, "Bearer "):
            raise web.HTTPUnauthorized(text="expected the server's token as a bearer token")


def _status(error: Exception) -> int | None:
    """The status that tells of an error; None for what is no error of the request or a tool."""
    match error:
        case NoSessionError():
            return 404
        case EpisodeError():
            return 409
        case InputError():
            return 400
        case InfrastructureError():
            return 500
    return None


async def _json(request: web.Request) -> object:
    try:
        found: object = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON: {error}") from None
    return found


async def _send(socket: web.WebSocketResponse, form: dict[str, JSON]) -> None:
    # Whoever left hears nothing more.
    with suppress(ConnectionError):
        await socket.send_str(json.dumps(form))


async def _close_when_ended(socket: web.WebSocketResponse, session: Session) -> None:
    await session.ended.wait()
    await socket.close(message=b"the session was idle too long")


def _error(code: str, text: str) -> dict[str, JSON]:
    return {"type": "error", "data": {"message": text, "code": code}}
