"""The transport to a server that is a program: its process, its pipes and its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from reachgym.envs.errors import ConfigError
from reachgym.envs.tools.mcp.limits import TOO_LONG, Limits, Traces
from reachgym.envs.tools.mcp.lines import Lines, LongLine
from reachgym.envs.tools.mcp.servers import StdioServer, expand

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
_CHUNK_BYTES = 65536
_MOST_STRAYS = 1000
_LONGEST_STRAY = 120
_FLUSH_S, _GIVEN_UP_S, _EOF_GRACE_S, _END_GRACE_S, _POLL_S = 0.5, 0.1, 1.0, 3.0, 0.01

_Incoming = MemoryObjectSendStream[SessionMessage | Exception]
_Outgoing = MemoryObjectReceiveStream[SessionMessage]


@dataclass(frozen=True, slots=True)
class Launch:
    """A server's command line and surroundings, variables filled in."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None

    @classmethod
    def of(cls, server: StdioServer) -> Launch:
        """How to launch a server.

        Raises:
            ConfigError: There is no such program or folder, or a variable is not set.
        """
        env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        env |= {name: expand(value, server.name) for name, value in server.env.items()}
        if server.cwd is not None and not Path(server.cwd).is_dir():
            raise ConfigError(f"the MCP server '{server.name}' has no folder {server.cwd}")
        near = None if server.cwd is None else os.path.join(server.cwd, server.command)
        program = shutil.which(server.command, path=env.get("PATH"))
        if program is None and near is not None and os.sep in server.command:
            program = shutil.which(near)
        if program is None:
            raise ConfigError(
                f"the MCP server '{server.name}' needs the program '{server.command}', which was "
                "not found; install it, or name its path"
            )
        arguments = (expand(argument, server.name) for argument in server.args)
        return cls((os.path.abspath(program), *arguments), env, server.cwd)


@asynccontextmanager
async def stdio_transport(
    launch: Launch, limits: Limits, traces: Traces
) -> AsyncGenerator[TransportStreams, None]:
    """A transport to a server that is started for it and ends with it."""
    process = await _start(launch)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage](0)
    written = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, to_client, limits, traces)
        tasks.start_soon(_write, process, from_client, to_client, written)
        tasks.start_soon(_drain, process, traces)
        try:
            yield from_server, to_server
        finally:
            with anyio.CancelScope(shield=True):
                to_server.close()
                with anyio.move_on_after(_FLUSH_S):
                    await written.wait()
                hopeless = traces.given_up or traces.fault
                await _end(process, _GIVEN_UP_S if hopeless else _EOF_GRACE_S)
            for stream in (from_server, to_client, from_client):
                stream.close()
            tasks.cancel_scope.cancel()


async def _start(launch: Launch) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    supervised = (sys.executable, "-I", "-S", str(_SUPERVISOR), str(os.getpid()), *launch.command)
    return await asyncio.create_subprocess_exec(
        *supervised, stdin=pipe, stdout=pipe, stderr=pipe, env=launch.env, cwd=launch.cwd
    )


async def _read(
    process: asyncio.subprocess.Process, to_client: _Incoming, limits: Limits, traces: Traces
) -> None:
    """Hand on the server's messages, until its standard output ends or makes no sense."""
    lines = Lines(limits.reply_bytes)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with to_client:
            while data := await _pipe(process.stdout).read(_CHUNK_BYTES):
                for line in lines.feed(data):
                    message = _message(line, limits, traces)
                    if message is not None:
                        await to_client.send(message)
                    elif traces.ended:
                        return
            traces.end("it closed its standard output")


def _message(line: bytes | LongLine, limits: Limits, traces: Traces) -> SessionMessage | None:
    """The message on a line, if it is one."""
    if isinstance(line, LongLine):
        if line.request_id is None:
            traces.end(f"it sent a message of more than {limits.reply_bytes:,} bytes")
            return None
        error = ErrorData(code=TOO_LONG, message=limits.too_long())
        return SessionMessage(JSONRPCError(jsonrpc="2.0", id=line.request_id, error=error))
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        if line.strip():
            traces.strays += 1
            traces.stray = line[:_LONGEST_STRAY].decode(errors="replace")
        if traces.strays > _MOST_STRAYS:
            traces.end("it does not speak MCP on its standard output")
        return None


async def _write(
    process: asyncio.subprocess.Process,
    from_client: _Outgoing,
    to_client: _Incoming,
    written: anyio.Event,
) -> None:
    stdin = process.stdin
    try:
        async for item in from_client:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            if stdin is not None:
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
    except OSError:
        # Whoever waits for an answer learns that there will be none.
        to_client.close()
    finally:
        written.set()


async def _drain(process: asyncio.subprocess.Process, traces: Traces) -> None:
    while data := await _pipe(process.stderr).read(_CHUNK_BYTES):
        traces.write(data)


def _pipe(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise ConnectionError("the server was started without pipes")
    return stream


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """End the server as the protocol has it: the end of its input, then signals."""
    if process.stdin is not None:
        process.stdin.close()
    if not await _ended(process, grace_s):
        with suppress(ProcessLookupError):
            process.terminate()
        if not await _ended(process, _END_GRACE_S):
            with suppress(ProcessLookupError):
                process.kill()
            await _ended(process, _END_GRACE_S)


async def _ended(process: asyncio.subprocess.Process, within_s: float) -> bool:
    # Not `process.wait()`, which also waits for pipes that a survivor may hold.
    with anyio.move_on_after(within_s):
        while process.returncode is None:
            await anyio.sleep(_POLL_S)
    return process.returncode is not None
