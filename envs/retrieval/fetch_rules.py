"""Which URLs may be fetched: scheme, host, port, and how they are written."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

import httpx

from reachgym.envs.errors import ConfigError, ToolError

ANY_HOST = "*"
_MOST_URL_CHARS = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_HOST_CHARS = 253
_LONGEST_QUOTE = 200
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Resolvers read a host whose last label is a number as an IPv4 address, in any of its old forms.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlRules:
    """Where fetches may go.

    Args:
        hosts: Names of hosts, `*.domain` for all below a domain, or `*` for every host that has a
            domain; whole addresses for those.
        ports: The ports that may be connected to.

    Raises:
        ConfigError: A host is none, or there is no host or port.
    """

    def __init__(self, hosts: Collection[str], ports: Collection[int]) -> None:
        if isinstance(hosts, str) or not hosts:
            raise ConfigError(
                f"expected hosts such as ['example.org', '*.example.org'], got {hosts!r}; name "
                "those that may be fetched from"
            )
        if not ports or not all(0 < port < 65536 for port in ports):
            raise ConfigError(f"expected ports from 1 to 65535, got {sorted(ports)}; correct them")
        self._patterns = tuple(_normal_pattern(host) for host in hosts)
        self._ports = frozenset(ports)

    def check(self, text: str) -> httpx.URL:
        """The URL that a text is, if it may be fetched; without its fragment.

        Raises:
            ToolError: It may not be; the text says why.
        """
        url = _parsed(text)
        host = url.raw_host.decode()
        if not self._admits(host):
            raise ToolError(
                f"the host {_quoted(host)} is not allowed; allowed are {', '.join(self._patterns)}"
            )
        port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
        if port not in self._ports:
            allowed = ", ".join(str(port) for port in sorted(self._ports))
            raise ToolError(f"the port {port} is not allowed; allowed are {allowed}")
        return url

    def _admits(self, host: str) -> bool:
        return any(
            host == pattern
            or (pattern == ANY_HOST and ("." in host or ":" in host))
            or (pattern.startswith("*.") and host.endswith(pattern[1:]))
            for pattern in self._patterns
        )


def _parsed(text: str) -> httpx.URL:
    """The one reading of a URL: what is checked here is what will be connected to."""
    if len(text) > _MOST_URL_CHARS:
        raise ToolError(f"the URL has {len(text)} characters; at most {_MOST_URL_CHARS} are taken")
    # httpx would escape some of these, and other programs read them in other ways.
    if not text.isprintable() or any(char in ' \\<>"' for char in text):
        raise ToolError(
            f"the URL {_quoted(text)} holds spaces, quotes, backslashes or control characters; "
            "escape or leave them out"
        )
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ToolError(f"the URL {_quoted(text)} must begin with http:// or https://")
    if "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        raise ToolError(f"the URL {_quoted(text)} must hold no user name or password")
    try:
        url = httpx.URL(text).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise ToolError(f"the URL {_quoted(text)} is none: {error}") from None
    _check_host(url.raw_host.decode())
    return url


def _check_host(host: str) -> None:
    if _is_address(host):
        return
    labels = host.split(".")
    if len(host) > _MOST_HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ToolError(f"the URL's host {_quoted(host)} is not the name of a host")
    if _NUMBER.fullmatch(labels[-1]):
        raise ToolError(
            f"the URL's host {_quoted(host)} is a number; write an address as four numbers"
        )


def _is_address(host: str) -> bool:
    if "%" in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _normal_pattern(pattern: str) -> str:
    """A pattern as hosts are written in URLs: lower case, letters beyond ASCII in Punycode."""
    if pattern == ANY_HOST:
        return pattern
    prefix = "*." if pattern.startswith("*.") else ""
    host = pattern.removeprefix(prefix)
    try:
        url = _parsed(f"http://[{host}]/" if ":" in host else f"http://{host}/")
    except ToolError as error:
        raise ConfigError(
            f"expected a host such as 'example.org' or '*.example.org', got {pattern!r}: {error}"
        ) from None
    if url.path != "/" or url.query or url.port is not None:
        raise ConfigError(
            f"expected a host such as 'example.org', got {pattern!r}; leave out path and port"
        )
    return prefix + url.raw_host.decode()


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "...")
