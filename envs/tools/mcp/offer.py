"""What an environment asks for: the tools of a server; the SDK is imported when they are."""

from __future__ import annotations

from importlib.util import find_spec

from reachgym.envs.errors import InputError
from reachgym.envs.tools.base import Tool, UnboundTool
from reachgym.envs.tools.mcp.limits import Limits
from reachgym.envs.tools.mcp.servers import McpServer

_LEAST_REPLY_BYTES = 1024


def mcp_tools(
    server: McpServer,
    *,
    per_episode: bool = False,
    call_timeout_s: float = 60.0,
    start_timeout_s: float = 60.0,
    max_reply_bytes: int = 1_000_000,
) -> list[Tool | UnboundTool]:
    """The tools of an MCP server, named `server__tool`.

    The server is started or reached now, to be asked for its tools. Shared, it serves all
    environments of this process until the process ends, and is connected again at the next call
    after it broke. With `per_episode` each episode has a session of its own, from its first call
    on; a program is then started for each, so that nothing of one episode is left in the next.
    Such an episode cannot be gone on with from an earlier moment once the server has been called.

    Args:
        server: The server; a program runs outside any sandbox.
        per_episode: Whether the server keeps something that must not be there in other episodes.
        call_timeout_s: Longest call. The agent is told that it timed out; if the server then
            answers nobody, that is an `InfrastructureError` instead.
        start_timeout_s: Until the server can be talked to.
        max_reply_bytes: Longest message of the server, bounded while it is read.

    Raises:
        ConfigError: The server's program is not there, a variable is not set, or a server over HTTP
            that is to keep episodes apart gives no sessions.
        InputError: A limit is not positive, or the SDK is not installed.
        InfrastructureError: The server cannot be started or reached, or makes no sense.
    """
    if min(call_timeout_s, start_timeout_s) <= 0 or max_reply_bytes < _LEAST_REPLY_BYTES:
        raise InputError(
            f"timeouts must be positive and max_reply_bytes at least {_LEAST_REPLY_BYTES}; got "
            f"{call_timeout_s}, {start_timeout_s} and {max_reply_bytes}"
        )
    if find_spec("mcp") is None:
        raise InputError("tools of MCP servers need the SDK `mcp`; run pip install 'reachgym[mcp]'")
    # The SDK takes half a second to import, which a module that only names a server need not wait.
    from reachgym.envs.tools.mcp.tools import tools_of

    limits = Limits(start_timeout_s, call_timeout_s, max_reply_bytes)
    return tools_of(server, limits, per_episode=per_episode)
