"""A server made with the SDK; `python sdk_server.py [stdio | PORT] [BEHAVIOUR...]`."""

import asyncio
import os
import signal
import sys
import time

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, EmbeddedResource, ResourceLink, TextResourceContents
from pydantic import BaseModel

server = MCPServer("test", log_level="CRITICAL")
kept: list[str] = []
cancelled: list[float] = []


class Point(BaseModel):
    x: int
    y: int = 0


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def total(points: list[Point], scale: float | None = None) -> str:
    """Add up points."""
    return f"{sum(point.x + point.y for point in points)} {scale}"


@server.tool()
def keep(text: str) -> str:
    """Keep a text, and say all that were kept."""
    kept.append(text)
    return " ".join(kept)


@server.tool()
def refuse() -> str:
    """Fail."""
    raise ToolError("not today")


@server.tool()
def picture() -> list:
    """Show a picture."""
    return ["here:", Image(data=b"1234567", format="png")]


@server.tool()
def resources() -> CallToolResult:
    """Show resources."""
    text = TextResourceContents(uri="file:///a.txt", text="inside")
    link = ResourceLink(type="resource_link", name="b", uri="file:///b", mime_type="text/csv")
    return CallToolResult(content=[EmbeddedResource(type="resource", resource=text), link])


@server.tool()
def structured() -> CallToolResult:
    """Give structure without text."""
    return CallToolResult(content=[], structured_content={"a": [1, "é"]})


@server.tool()
def letters(count: int) -> str:
    """Write many letters."""
    return "a" * count


@server.tool()
async def sleep(seconds: float) -> str:
    """Take a while, and do other things meanwhile."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.append(seconds)
        raise
    return "slept"


@server.tool()
def interrupted() -> str:
    """Say which sleeps were cancelled."""
    return str(cancelled)


@server.tool()
async def block(seconds: float) -> str:
    """Take a while, and do nothing else meanwhile."""
    time.sleep(seconds)
    return "blocked"


@server.tool()
async def die(complaint: str) -> str:
    """End as a crash does."""
    print(complaint, file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@server.tool()
def environment() -> str:
    """Say which variables there are."""
    return " ".join(f"{name}={value}" for name, value in os.environ.items())


@server.tool()
def process() -> int:
    """Say which process this is."""
    return os.getpid()


def main() -> None:
    transport, *behaviours = sys.argv[1:] or ["stdio"]
    for behaviour in behaviours:
        if behaviour.startswith("wait="):
            time.sleep(float(behaviour.removeprefix("wait=")))
    if transport == "stdio":
        server.run()
    else:
        server.run(
            "streamable-http",
            host="127.0.0.1",
            port=int(transport),
            json_response="json" in behaviours,
            stateless_http="stateless" in behaviours,
        )


main()
