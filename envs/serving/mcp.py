"""An environment for MCP clients: its tools, and two more that begin an episode and answer it.

MCP's newer protocol has no sessions over HTTP, so that an episode has an id, which `begin_episode`
gives and every other tool may be told. Over stdio, where there is one client, and within a session
of the older protocol it can be left out: the last one that was begun is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from reachgym.envs.errors import (
    ConfigError,
    EpisodeError,
    InfrastructureError,
    InputError,
)
from reachgym.envs.registration import EnvRef
from reachgym.envs.serving.pool import Pool
from reachgym.envs.serving.server import ServerSettings
from reachgym.envs.serving.sessions import FullError, Session, Sessions
from reachgym.envs.types import JSON, ToolSpec

if TYPE_CHECKING:
    import mcp_types
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel.server import Server
    from starlette.requests import Request

    Context: TypeAlias = ServerRequestContext[Sessions, Request]

BEGIN, ANSWER = "begin_episode", "answer"
_EPISODE = "episode_id"
_SESSION_HEADER = "mcp-session-id"
_ONLY_CLIENT = "stdio"


def serve_stdio(ref: EnvRef, settings: ServerSettings) -> None:
    """Serve the one client that started this process, over its standard input and output.

    Raises:
        InputError: There is no such environment, or its tools cannot be offered so.
        ConfigError: The SDK is not installed.
    """
    server = mcp_server(ref, settings)
    from mcp.server.stdio import stdio_server

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    asyncio.run(run())


def serve_http(ref: EnvRef, settings: ServerSettings) -> None:
    """Serve MCP clients over streamable HTTP at `/mcp` until the process is told to end.

    Raises:
        InputError: As `serve_stdio`.
        ConfigError: The SDK is not installed.
    """
    server = mcp_server(ref, settings)
    import uvicorn

    app = server.streamable_http_app(
        host=settings.host, session_idle_timeout=settings.idle_s, max_sessions=settings.sessions
    )
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")


def mcp_server(ref: EnvRef, settings: ServerSettings) -> Server[Sessions]:
    """The server of an environment, for those who run the SDK themselves.

    Raises:
        InputError: There is no such environment, or its tools cannot be offered so.
        ConfigError: The SDK is not installed.
    """
    try:
        from mcp.server.lowlevel.server import Server
    except ImportError as error:
        raise ConfigError(
            f"MCP needs its SDK ({error}); install it with `pip install 'reachgym[mcp]'`"
        ) from None
    pool = Pool(ref, settings.sessions)
    desk = _Desk(_specs_of(pool))

    @asynccontextmanager
    async def lifespan(server: object) -> AsyncIterator[Sessions]:
        del server
        sessions = Sessions(
            pool, most=settings.sessions, idle_s=settings.idle_s, threads=settings.threads
        )
        watching = asyncio.create_task(sessions.watch())
        try:
            yield sessions
        finally:
            watching.cancel()
            await sessions.close()

    return Server(
        f"reachgym {ref.id}",
        lifespan=lifespan,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
    )


def _specs_of(pool: Pool) -> tuple[ToolSpec, ...]:
    env = pool.take()
    specs = env.tool_specs
    pool.give(env)
    for spec in specs:
        if spec.name in (BEGIN, ANSWER) or _EPISODE in _properties(spec):
            raise InputError(
                f"the tool '{spec.name}' cannot be offered over MCP: {BEGIN}, {ANSWER} and the "
                f"parameter {_EPISODE} are the server's own; rename it"
            )
    return specs


class _Desk:
    """Takes the calls of all clients."""

    def __init__(self, specs: tuple[ToolSpec, ...]) -> None:
        self._specs = specs
        # The episode that each client began last.
        self._last: dict[str, str] = {}

    async def list_tools(self, context: Context, params: object) -> mcp_types.ListToolsResult:
        """The tools of the environment, and those around them."""
        del context, params
        import mcp_types

        offered = [*_own_tools(), *map(_with_episode, self._specs)]
        return mcp_types.ListToolsResult(
            tools=[
                mcp_types.Tool(
                    name=spec.name,
                    description=spec.description,
                    input_schema=dict(spec.parameters),
                )
                for spec in offered
            ]
        )

    async def call_tool(
        self, context: Context, params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        """Begin an episode, answer it, or run a tool of it."""
        import mcp_types

        try:
            text, wrong = await self._called(context, params.name, dict(params.arguments or {}))
        except (InputError, EpisodeError, InfrastructureError, FullError) as error:
            text, wrong = str(error), True
        content = mcp_types.TextContent(type="text", text=text)
        return mcp_types.CallToolResult(content=[content], is_error=wrong)

    async def _called(
        self,
        context: Context,
        name: str,
        arguments: dict[str, Any],
    ) -> tuple[str, bool]:
        sessions: Sessions = context.lifespan_context
        client = _client_of(context)
        if name == BEGIN:
            return await self._begin(sessions, client, arguments), False
        session = self._session(sessions, client, arguments.pop(_EPISODE, None))
        if name == ANSWER:
            answer = arguments.get("text")
            if not isinstance(answer, str):
                raise InputError("expected the answer as a text `text`")
            told = await sessions.ask(session, partial(session.episode.step, {"content": answer}))
            return _end(told), False
        call = {"type": "call_tool", "tool_name": name, "arguments": arguments}
        told = await sessions.ask(session, partial(session.episode.step, call))
        (result,) = _observation(told)["info"]["results"]
        end = f"\n\n{_end(told)}" if told["done"] else ""
        return f"{result['content']}{end}", bool(result["error"])

    async def _begin(
        self, sessions: Sessions, client: str | None, arguments: Mapping[str, Any]
    ) -> str:
        session = sessions.open()
        try:
            told = await sessions.ask(session, partial(session.episode.reset, arguments))
        except BaseException:
            sessions.end(session)
            raise
        if client is not None:
            before = self._last.get(client)
            self._last[client] = session.id
            if before is not None:
                _end_quietly(sessions, before)
        messages = _observation(told)["messages"]
        prompt = "\n\n".join(message["content"] for message in messages)
        return f"{prompt}\n\n({_EPISODE}: {session.id})"

    def _session(self, sessions: Sessions, client: str | None, given: object) -> Session:
        if given is None and client is not None:
            given = self._last.get(client)
        if not isinstance(given, str):
            raise InputError(f"no episode has begun; call {BEGIN}, and give its {_EPISODE}")
        return sessions.find(given)


def _own_tools() -> tuple[ToolSpec, ToolSpec]:
    number: dict[str, JSON] = {"type": "integer", "minimum": 0}
    begin: dict[str, JSON] = {
        "seed": {**number, "description": "Draws a training task."},
        "split": {"type": "string", "description": "With `index`, names a task instead."},
        "index": {**number, "description": "Which task of the split."},
    }
    answer: dict[str, JSON] = {
        "text": {"type": "string", "description": "The final answer."},
        _EPISODE: _handle(),
    }
    return (
        ToolSpec(BEGIN, "Begin an episode; gives its task.", _schema(begin, [])),
        ToolSpec(
            ANSWER, "Give the final answer, which ends the episode.", _schema(answer, ["text"])
        ),
    )


def _with_episode(spec: ToolSpec) -> ToolSpec:
    properties: dict[str, JSON] = {**_properties(spec), _EPISODE: _handle()}
    return ToolSpec(spec.name, spec.description, {**spec.parameters, "properties": properties})


def _properties(spec: ToolSpec) -> dict[str, JSON]:
    properties = spec.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _handle() -> JSON:
    return {
        "type": "string",
        "description": f"As {BEGIN} gave it; the one begun last where it is left out.",
    }


def _schema(properties: dict[str, JSON], required: list[JSON]) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _client_of(context: Context) -> str | None:
    """What tells a client from others; None where nothing does."""
    if context.request is None:
        return _ONLY_CLIENT
    found: str | None = context.request.headers.get(_SESSION_HEADER)
    return found


def _observation(told: Mapping[str, Any]) -> dict[str, Any]:
    observation: dict[str, Any] = told["observation"]
    return observation


def _end(told: Mapping[str, Any]) -> str:
    verdict = _observation(told)["info"]["verdict"]
    passed = "passed" if verdict["passed"] else "not passed"
    return f"{passed}, reward {told['reward']:g}: {verdict['explanation']}".rstrip(": ")


def _end_quietly(sessions: Sessions, session_id: str) -> None:
    try:
        sessions.end(sessions.find(session_id))
    except InputError:
        return
