"""`reachgym serve`: an environment for other programs, over HTTP, WebSocket or MCP."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef
from reachgym.envs.serving.mcp import serve_http, serve_stdio
from reachgym.envs.serving.server import LOCAL_HOSTS, ServerSettings, serve
from reachgym.study.cli_envs import parse_kwargs

_WAYS = ("stdio", "http")


def run_serve(
    env: str, kwargs: Sequence[str], settings: ServerSettings, mcp: str | None, console: Console
) -> None:
    """Serve until the process is told to end, and say where.

    Raises:
        InputError: There is no such environment, or it cannot be served so.
    """
    ref = EnvRef(env, parse_kwargs(kwargs))
    if mcp is not None and mcp not in _WAYS:
        raise ConfigError(f"--mcp expects {' or '.join(_WAYS)}; got '{mcp}'")
    is_local = settings.host in LOCAL_HOSTS
    if mcp == "http" and (settings.token_env is not None or not is_local):
        raise ConfigError(
            "--mcp http asks for no token, and is served on this machine alone; leave --host and "
            "--token-env out"
        )
    if mcp == "stdio":
        # Its standard output is the client's.
        serve_stdio(ref, settings)
        return
    if settings.token_env is None and not is_local:
        console.print(
            f"Whoever reaches {settings.host} can use it: give --token-env to ask for a token",
            style="yellow",
        )

    def ready(url: str) -> None:
        console.print(f"Serving {env} at {url}", markup=False, highlight=False, soft_wrap=True)

    if mcp == "http":
        ready(f"http://{settings.host}:{settings.port}/mcp")
        serve_http(ref, settings)
        return
    serve(ref, settings, ready)
