"""The `http` tool: an agent's requests, by their path alone, to one server that it is bound to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote as percent_encoded

from reachgym.envs.errors import ToolError
from reachgym.envs.tools.arguments import quote
from reachgym.envs.tools.base import UnboundTool, tool
from reachgym.envs.workspace import Workspace

MOST_REQUEST_BYTES = 4096

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FORM = re.compile(rf"({'|'.join(_METHODS)}) +([^ ]+)(?: +(.*))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HOW = 'write "GET /path?x=y" or "POST /path {json}"'


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent.

    Attributes:
        method: One of GET, POST, PUT, PATCH and DELETE.
        target: Path and query, in ASCII; other characters are percent-encoded.
        body: The body, empty where there is none.
    """

    method: str
    target: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back."""

    status: int
    body: str


Send: TypeAlias = Callable[[Workspace, HttpRequest], HttpReply]


def http_tool(send: Send, show: Callable[[HttpReply], str]) -> UnboundTool:
    """A tool that sends requests to one server.

    Args:
        send: Sends a request of an episode; which server it goes to is not the agent's choice.
        show: Writes a reply for the agent.
    """

    def http(workspace: Workspace, request: str) -> str:
        """Call the HTTP API. You get the status and the body of its reply.

        Args:
            request: Method, path and, for POST, a JSON body on one line, such as
                "GET /path?x=y" or "POST /path {json}".
        """
        return show(send(workspace, parse_request(request)))

    return tool(http)


def parse_request(text: str) -> HttpRequest:
    """The request that an agent wrote.

    Raises:
        ToolError: It is none, is too long, holds control characters or leads elsewhere.
    """
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) > MOST_REQUEST_BYTES:
        raise ToolError(f"a request has at most {MOST_REQUEST_BYTES} bytes, got {len(encoded)}")
    if _CONTROL.search(text) or _SURROGATE.search(text):
        raise ToolError(f"a request is one line of plain text, got {quote(text)}; {_HOW}")
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ToolError(f"expected a method and a path, got {quote(text)}; {_HOW}")
    method, target, body = match[1], match[2], match[3] or ""
    _require_path(target)
    if body and method == "GET":
        raise ToolError(f"GET takes no body, got {quote(body)}; put parameters behind the path")
    safe = percent_encoded(target, safe="/?&=%+~:,;!*'()@$")
    return HttpRequest(method, safe, body.encode())


def _require_path(target: str) -> None:
    """Refuse what is no plain path on the server."""
    if not target.startswith("/") or target.startswith("//"):
        raise ToolError(f"only paths of this API can be called, got {quote(target)}; {_HOW}")
    path = target.partition("?")[0]
    if "\\" in target or "#" in target or {".", ".."} & set(path.split("/")):
        raise ToolError(f"a path has no '..', '\\' or '#', got {quote(target)}; {_HOW}")
