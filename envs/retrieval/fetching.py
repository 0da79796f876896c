"""Fetches single pages of the public web: from allowed hosts, within limits, never from inside."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache

import httpcore
import httpx

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.fetch_addresses import Address, Resolver, is_public, resolve
from reachgym.envs.retrieval.fetch_body import ACCEPT_ENCODING, read_body
from reachgym.envs.retrieval.fetch_network import Deadline, NoNetworkError, PinnedTransport
from reachgym.envs.retrieval.fetch_rules import UrlRules
from reachgym.envs.retrieval.fetch_text import ACCEPT, page_text, readable_type
from reachgym.envs.retrieval.web_cache import ResponseCache
from reachgym.envs.types import JSON

WEB_PORTS = frozenset({80, 443})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much one fetch may take.

    Attributes:
        most_bytes: What is read of a page, once decompressed, and how long its text may be; the
            rest is cut off. HTML made to be slow takes some 4 s at 1,000,000, and four times that
            at twice as many.
        total_s: Seconds for all of it, redirects included.
        redirects: How many are followed.
    """

    most_bytes: int = 1_000_000
    total_s: float = 20.0
    redirects: int = 5

    def __post_init__(self) -> None:
        """Refuse limits that leave nothing to fetch.

        Raises:
            ConfigError: One is too low.
        """
        least = {"most_bytes": 1, "total_s": 0.001, "redirects": 0}
        for name, value in asdict(self).items():
            # Written so that NaN is refused as well.
            if not value >= least[name]:
                raise ConfigError(f"expected {name} >= {least[name]}, got {value}; give it room")


@dataclass(frozen=True, slots=True)
class Page:
    """What was fetched.

    Attributes:
        url: Where it came from, after redirects.
        title: Its title; empty where it has none.
        text: What it says, HTML as Markdown.
        cut: Whether there is more of it than the limit lets through.
    """

    url: str
    title: str
    text: str
    cut: bool


class Fetcher:
    """Gets pages for an agent, whose URLs may be hostile.

    Each host is resolved once, all its addresses are checked, and the connection goes to them; so
    also for every redirect. No proxy, cookie or credential takes part. `robots.txt` is not read:
    single pages are fetched that an agent asks for, from hosts that the environment's author
    allows, and nothing is crawled.
    """

    def __init__(
        self,
        hosts: Collection[str],
        *,
        ports: Collection[int] = WEB_PORTS,
        limits: FetchLimits | None = None,
        cache: ResponseCache | None = None,
        user_agent: str = "reachgym",
        admits: Callable[[Address], bool] = is_public,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """A fetcher.

        Args:
            hosts: From where: names, `*.domain` for all below a domain, or `*` for every host.
            ports: The ports that may be connected to.
            limits: How much a fetch may take.
            cache: What keeps and replays pages and refusals; by default nothing does.
            user_agent: How servers are told who asks.
            admits: Which addresses may be connected to. Another rule than the default one opens
                this machine and its network to whoever writes the URLs: it is for tests.
            resolver: Gives a host's addresses.
            tls: How certificates are checked; by default as httpx does.

        Raises:
            ConfigError: A host, a port or the user agent is none.
        """
        if not user_agent or not (user_agent.isascii() and user_agent.isprintable()):
            raise ConfigError(f"expected printable ASCII as user_agent, got {user_agent!r}")
        self._rules = UrlRules(hosts, ports)
        self._limits = limits or FetchLimits()
        self._cache = cache or ResponseCache()
        self._admits = admits
        self._resolver = resolver
        self._tls = tls
        self._headers = {
            "user-agent": user_agent,
            "accept": ACCEPT,
            "accept-encoding": ACCEPT_ENCODING,
            "connection": "close",
        }

    def fetch(self, url: str) -> Page:
        """The page at a URL.

        Raises:
            ToolError: It may not be fetched, there is none, or it cannot be read; the text says
                why.
            InfrastructureError: This machine has no network, or nothing is kept to be replayed.
        """
        checked = self._rules.check(url)
        kept = self._cache.response({"fetch": str(checked)}, lambda: self._as_json(checked))
        page = _page_of(kept)
        self._rules.check(page.url)
        return page

    def _as_json(self, url: httpx.URL) -> JSON:
        try:
            return asdict(self._follow(url))
        except ToolError as refusal:
            return {"refusal": str(refusal)}

    def _follow(self, url: httpx.URL) -> Page:
        deadline = Deadline(self._limits.total_s)
        for _ in range(self._limits.redirects + 1):
            try:
                found = self._visit(url, deadline)
            except httpcore.TimeoutException:
                raise ToolError(
                    f"{_host(url)} did not answer, or not fully, within {deadline.seconds:g} s"
                ) from None
            except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                raise _failure(url, error) from None
            if isinstance(found, Page):
                return found
            url = found
        raise ToolError(f"the page redirects more than {self._limits.redirects} times")

    def _visit(self, url: httpx.URL, deadline: Deadline) -> Page | httpx.URL:
        """The page, or where it leads."""
        addresses = self._addresses(_host(url))
        transport = PinnedTransport(addresses, deadline, self._tls or _default_tls())
        request = httpx.Request("GET", url, headers=self._headers)
        # Without httpx's client, which fails on hostile redirects even where it follows none.
        with transport, closing(transport.handle_request(request)) as response:
            location = response.headers.get("location")
            if response.status_code in _REDIRECTS and location:
                return self._rules.check(_joined(url, location))
            if response.status_code != 200:
                raise ToolError(f"{_host(url)} answered {response.status_code}, not with a page")
            content_type = response.headers.get("content-type", "")
            readable_type(content_type)
            body, cut = read_body(response, self._limits.most_bytes)
        title, text = page_text(body, content_type, str(url))
        most = self._limits.most_bytes
        # Markdown can be a hundred times as long as its HTML: wide cells are written out.
        return Page(str(url), title, text[:most], cut or len(text) > most)

    def _addresses(self, host: str) -> Sequence[Address]:
        """Where to connect to, if all addresses of the host are admitted."""
        try:
            addresses: Sequence[Address] = [ipaddress.ip_address(host)]
        except ValueError:
            addresses = self._resolver(host)
        if not addresses:
            raise ToolError(f"there is no host {host}")
        if not all(self._admits(address) for address in addresses):
            raise ToolError(f"{host} is no host of the public internet; it may not be fetched from")
        return addresses


def _page_of(kept: JSON) -> Page:
    """What was kept: a page, or why there was none."""
    entry = kept if isinstance(kept, dict) else {}
    if "refusal" in entry:
        raise ToolError(str(entry["refusal"]))
    return Page(str(entry["url"]), str(entry["title"]), str(entry["text"]), bool(entry["cut"]))


def _host(url: httpx.URL) -> str:
    """The host as it is looked up; `url.host` fails on what is no right Punycode."""
    return url.raw_host.decode()


def _joined(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except (httpx.InvalidURL, ValueError):
        raise ToolError(f"the page redirects to what is no URL: {location[:200]!a}") from None


def _failure(url: httpx.URL, error: Exception) -> ToolError | InfrastructureError:
    """What an error of the network means; texts of libraries may quote what a server sent."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ToolError(f"{_host(url)} has no valid certificate: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return ToolError(f"{_host(url)} offers no encryption that can be used")
    if isinstance(error, NoNetworkError):
        return InfrastructureError(f"this machine has no network: {error}")
    if isinstance(error, httpcore.ConnectError):
        return ToolError(f"{_host(url)} cannot be connected to")
    if isinstance(error, httpcore.ProtocolError):
        return ToolError(f"{_host(url)} does not answer as HTTP demands")
    return ToolError(f"{_host(url)} ended the connection before the page was read")


@cache
def _default_tls() -> ssl.SSLContext:
    """Loading the authorities takes longer than many a request."""
    return httpx.create_ssl_context()
