"""A search index served over HTTP, for workers on many machines.

`POST /search` with `{"queries": [...], "k": n}` answers `{"hits": [[{"doc_id", "score", "text"},
...], ...]}`, a list for each query; `GET /health` answers `{"status": "ok"}`. What is wrong with a
request is told as `{"error": ...}`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

from aiohttp import web

from reachgym.envs.errors import InfrastructureError
from reachgym.envs.listening import listen, listening
from reachgym.envs.retrieval.corpus import Hit, SearchIndex

PORT = 8765
MOST_BODY_BYTES = 2**20
MOST_QUERIES = 256
MOST_QUERY_CHARACTERS = 10_000
MOST_HITS = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _RequestError(Exception):
    """A request is malformed; the text says what was expected."""


def serve(
    index: SearchIndex,
    host: str = "127.0.0.1",
    port: int = PORT,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve an index until the process is told to end (SIGINT or SIGTERM).

    Whoever reaches the port can search: there is no password, so bind it to a network of your own.

    Args:
        index: What is searched; by as many threads at once as there are processors.
        host: The address to listen at.
        port: 0 takes any that is free.
        ready: Is told the server's URL once it listens.

    Raises:
        ConfigError: The address or the port cannot be had.
    """
    listen(application(index), host, port, ready)


@contextmanager
def serving(index: SearchIndex, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an index from a thread of this process, and give the URL.

    Raises:
        ConfigError: The address or the port cannot be had.
    """
    with listening(application(index), host, port) as url:
        yield url


def application(index: SearchIndex) -> web.Application:
    """The server of an index, for those who run aiohttp themselves."""
    threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")

    async def search(request: web.Request) -> web.Response:
        queries, k = _parsed(await request.read())
        loop = asyncio.get_running_loop()
        found = await asyncio.gather(
            *(loop.run_in_executor(threads, index.search, query, k) for query in queries)
        )
        return web.json_response({"hits": [[_row(hit) for hit in hits] for hits in found]})

    async def health(request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok"})

    async def close(app: web.Application) -> None:
        del app
        threads.shutdown(wait=False, cancel_futures=True)

    app = web.Application(middlewares=[_telling_errors], client_max_size=MOST_BODY_BYTES)
    app.add_routes([web.post("/search", search), web.get("/health", health)])
    app.on_cleanup.append(close)
    return app


@web.middleware
async def _telling_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except _RequestError as error:
        return web.json_response({"error": str(error)}, status=400)
    except InfrastructureError as error:
        return web.json_response({"error": str(error)}, status=503)
    except web.HTTPException as error:
        # 404, 405 and 413 of the framework itself.
        return web.json_response({"error": error.text}, status=error.status)


def _parsed(body: bytes) -> tuple[list[str], int]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _RequestError(f"expected JSON: {error}") from None
    match asked:
        case {"queries": [*queries], "k": int(k)} if len(asked) == 2 and not isinstance(k, bool):
            pass
        case _:
            raise _RequestError('expected {"queries": [texts], "k": number} and nothing else')
    if not 1 <= k <= MOST_HITS:
        raise _RequestError(f"expected k from 1 to {MOST_HITS}, got {k}")
    if not 1 <= len(queries) <= MOST_QUERIES:
        raise _RequestError(f"expected 1 to {MOST_QUERIES} queries, got {len(queries)}")
    for query in queries:
        if not isinstance(query, str) or len(query) > MOST_QUERY_CHARACTERS:
            raise _RequestError(
                f"expected queries that are texts of at most {MOST_QUERY_CHARACTERS} characters, "
                f"got {str(query)[:40]!r}"
            )
    return queries, k


def _row(hit: Hit) -> dict[str, str | float]:
    return asdict(hit)
