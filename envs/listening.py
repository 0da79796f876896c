"""An HTTP application, served until its process is told to end, or from a thread of a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from aiohttp import web

from reachgym.envs.errors import ConfigError

# How long requests that are being answered are waited for at the end.
_SHUTDOWN_S = 5.0


def listen(app: web.Application, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end (SIGINT or SIGTERM).

    Args:
        app: What is served.
        host: The address to listen at.
        port: 0 takes any that is free.
        ready: Is told the server's URL once it listens.

    Raises:
        ConfigError: The address or the port cannot be had.
    """
    with suppress(web.GracefulExit, KeyboardInterrupt):
        asyncio.run(_serve(app, host, port, ready, asyncio.Event(), signals=True))


@contextmanager
def listening(app: web.Application, host: str, port: int) -> Iterator[str]:
    """Serve from a thread of this process, and give the URL.

    Raises:
        ConfigError: The address or the port cannot be had.
    """
    started: Future[str] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    def run() -> None:
        try:
            served = _serve(app, host, port, started.set_result, stop, signals=False)
            loop.run_until_complete(served)
        except Exception as error:
            # Handed to whoever waits for the URL; once it has come, it is this thread's own.
            if started.done():
                raise
            started.set_exception(error)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run, name="http-server", daemon=True)
    thread.start()
    url = started.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _serve(
    app: web.Application,
    host: str,
    port: int,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    *,
    signals: bool,
) -> None:
    runner = web.AppRunner(
        app, handle_signals=signals, access_log=None, shutdown_timeout=_SHUTDOWN_S
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready(f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}")
        await stop.wait()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {error}; choose another"
        ) from None
    finally:
        await runner.cleanup()
