"""The page and what it asks for, over HTTP on this machine alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from reachgym.envs.errors import ReachgymError
from reachgym.envs.listening import listen, listening
from reachgym.envs.types import JSON
from reachgym.study.viewer.files import FILES, STATIC
from reachgym.study.viewer.records import as_json
from reachgym.study.viewer.requests import RequestError, page_of, query_of
from reachgym.study.viewer.view import RunView

HOST = "127.0.0.1"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A page of elsewhere whose name leads here has another Host.
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(view: RunView, port: int, ready: Callable[[str], None]) -> None:
    """Serve a run until the process is told to end (SIGINT or SIGTERM).

    Args:
        view: The run.
        port: 0 takes any that is free.
        ready: Is told the page's URL once the server listens.

    Raises:
        ConfigError: The port cannot be had.
    """
    listen(application(view), HOST, port, ready)


@contextmanager
def serving(view: RunView, port: int = 0) -> Iterator[str]:
    """Serve a run from a thread of this process, and give the page's URL.

    Raises:
        ConfigError: The port cannot be had.
    """
    with listening(application(view), HOST, port) as url:
        yield url


def application(view: RunView) -> web.Application:
    """The server of a run, for those who run aiohttp themselves."""

    async def run(request: web.Request) -> web.Response:
        # Whoever loads the page again wants to see what came since.
        await asyncio.to_thread(view.refresh)
        return await _answer(view.run)

    async def episodes(request: web.Request) -> web.Response:
        query, (offset, limit) = query_of(request.query), page_of(request.query)
        return await _answer(lambda: view.page(query, offset, limit))

    async def position(request: web.Request) -> web.Response:
        query = query_of(request.query)
        return await _answer(lambda: view.position(request.match_info["id"], query))

    async def episode(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return await _answer(lambda: view.episode(name) or _none(name))

    app = web.Application(middlewares=[_guarding, _telling_errors], client_max_size=2**16)
    app.add_routes(
        [
            web.get("/api/run", run),
            web.get("/api/episodes", episodes),
            web.get("/api/position/{id}", position),
            web.get("/api/episode/{id}", episode),
            web.get("/", _file),
            web.get("/{name}", _file),
        ]
    )
    return app


@web.middleware
async def _guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
    host = request.host.rpartition(":")[0] if _has_port(request.host) else request.host
    if host.lower() not in _HOSTS:
        response: web.StreamResponse = _told(
            403, f"expected the host localhost, got {request.host!r}; open the URL that was printed"
        )
    elif request.method not in ("GET", "HEAD"):
        response = _told(405, f"expected GET or HEAD, got {request.method}; nothing here changes")
    else:
        response = await handler(request)
    response.headers.update(_HEADERS)
    return response


@web.middleware
async def _telling_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RequestError as error:
        return _told(error.status, str(error))
    except ReachgymError as error:
        return _told(500, str(error))
    except web.HTTPException as error:
        return _told(error.status, f"expected a page of this run, got {request.path}; open /")


async def _file(request: web.Request) -> web.Response:
    name = request.match_info.get("name", "index.html")
    if name not in FILES:
        raise RequestError(f"expected one of the page's files, got {name!r}; open /", status=404)
    content = await asyncio.to_thread((STATIC / name).read_bytes)
    return web.Response(body=content, content_type=FILES[name], charset="utf-8")


async def _answer(asked: Callable[[], dict[str, JSON]]) -> web.Response:
    body = await asyncio.to_thread(lambda: as_json(asked()))
    return web.Response(body=body, content_type="application/json")


def _none(name: str) -> dict[str, JSON]:
    raise RequestError(
        f"expected the id of an episode of this run, got {name!r}; choose one from the list",
        status=404,
    )


def _told(status: int, text: str) -> web.Response:
    return web.Response(
        status=status, body=as_json({"error": text}), content_type="application/json"
    )


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdecimal() and (host.count(":") == 1 or "]:" in host)
