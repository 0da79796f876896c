"""Which MCP server is meant and how it is reached, in code or from the common JSON file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reachgym.envs.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that is a program of its own; it runs on this machine, outside any sandbox.

    Attributes:
        name: Opens the names of its tools.
        command: The program, looked up on `PATH`.
        args: Its arguments.
        env: Variables it gets besides `PATH` and the like; of the others of this process it sees
            none. `${NAME}` stands for a variable of this process.
        cwd: Its working directory.
    """

    name: str
    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server reached over streamable HTTP.

    Attributes:
        name: Opens the names of its tools.
        url: Its endpoint.
        headers: Sent with every request; `${NAME}` stands for a variable of this process.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


McpServer: TypeAlias = StdioServer | HttpServer


class _Entry(BaseModel):
    # Other programs' keys in the same file are none of ours.
    model_config = ConfigDict(extra="ignore", strict=True)

    type: Literal["stdio", "http", "streamable-http", "streamableHttp"] | None = None
    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    disabled: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    servers: dict[str, _Entry] = Field(alias="mcpServers")


def read_mcp_servers(path: str | Path) -> list[McpServer]:
    """The servers that a file `{"mcpServers": {name: {...}}}` names, in its order.

    An entry has `command`, `args`, `env` and `cwd`, or `url` and `headers`. One that is
    `disabled` is left out.

    Raises:
        ConfigError: The file cannot be read or is of another shape.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        entries = _File.model_validate_json(text).servers
    except OSError as error:
        raise ConfigError(f"expected a JSON file of MCP servers at {path}: {error}") from None
    except (UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {_complaint(error)}") from None
    return [_server(path, name, entry) for name, entry in entries.items() if not entry.disabled]


def identity(server: McpServer) -> str:
    """A text that two servers share only if they are the same."""
    return json.dumps([type(server).__name__, asdict(server)], sort_keys=True, default=list)


def expand(text: str, server: str) -> str:
    """The text with each `${NAME}` and `${NAME:-default}` replaced.

    Raises:
        ConfigError: A variable that has no default is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise ConfigError(
                f"the MCP server '{server}' needs the environment variable {match[1]}, which is "
                "not set; set it, or write ${" + match[1] + ":-default}"
            )
        return found

    return _VARIABLE.sub(value, text)


def secrets_of(server: McpServer) -> list[str]:
    """What may be secret of what a server is given, in whole and in words."""
    if isinstance(server, StdioServer):
        given, open_texts = server.env.values(), server.args
    else:
        given, open_texts = server.headers.values(), [server.url]
    filled = [
        os.environ.get(match[1], "") for text in open_texts for match in _VARIABLE.finditer(text)
    ]
    whole = [expand(text, server.name) for text in given] + filled
    parts = {part for text in whole for part in (text, *text.split())}
    return sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True)


def hide(text: str, secrets: Sequence[str]) -> str:
    """The text without secrets, the longest first."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text


def _complaint(error: UnicodeDecodeError | ValidationError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"expected UTF-8; {error}"
    # Not the values: they may be secrets.
    faults = error.errors(include_url=False, include_input=False)
    told = "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in faults
    )
    return f'expected {{"mcpServers": {{name: {{"command" or "url": ...}}}}}}; {told}'


def _server(path: str | Path, name: str, entry: _Entry) -> McpServer:
    if (entry.command is None) == (entry.url is None):
        raise ConfigError(f"{path}: the server '{name}' needs either a command or a url")
    if entry.url is not None:
        return HttpServer(name, entry.url, entry.headers)
    if entry.command is None or entry.type not in (None, "stdio"):
        raise ConfigError(f"{path}: the server '{name}' is of type {entry.type} and has no url")
    return StdioServer(name, entry.command, tuple(entry.args), entry.env, entry.cwd)
