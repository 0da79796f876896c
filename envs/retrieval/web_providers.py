"""Search providers of the web: how each is asked, and how its replies are read.

The shapes follow the providers' own references: SearXNG's search API
(docs.searxng.org/dev/search_api), Tavily's `POST /search`, Serper's `POST /search` and Brave's
`GET /res/v1/web/search`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.corpus import Hit
from reachgym.envs.types import JSON

# The most that each of them returns at once, less where one returns more.
MOST_RESULTS = 20
_TAG = re.compile(r"</?[a-z]+>")


@dataclass(frozen=True, slots=True)
class WebHit(Hit):
    """One found page: its id is its URL, its text what the provider quotes of it.

    Attributes:
        title: The page's title.
    """

    title: str

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.doc_id


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent besides the key: parameters of a GET, or the body of a POST."""

    method: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, JSON] | None = None


class MalformedResultsError(Exception):
    """A reply is none of the provider's; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class WebProvider:
    """A search provider.

    Attributes:
        name: What it is called in errors and in the cache.
        endpoint: The URL that is asked.
        question: Makes the request for a query and a number of results.
        results: Reads a reply; raises `MalformedResultsError`.
        requests_per_s: How many requests a second may begin, on this machine.
        key_env: The environment variable that holds the key; None where none is taken.
        key_header: The header that carries the key.
        key_prefix: What stands before the key there.
        advice: What to do where the provider refuses, by status.
    """

    name: str
    endpoint: str
    question: Callable[[str, int], Question]
    results: Callable[[JSON], list[WebHit]]
    requests_per_s: float
    key_env: str | None = None
    key_header: str = ""
    key_prefix: str = ""
    advice: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what nobody can be asked at.

        Raises:
            ConfigError: The URL is none, or the rate is not above 0.
        """
        _check_url(self.endpoint)
        if not self.requests_per_s > 0:
            raise ConfigError(
                f"expected requests_per_s > 0, got {self.requests_per_s}; give it room"
            )


def searxng(base_url: str, requests_per_s: float = 2.0) -> WebProvider:
    """A SearXNG instance, usually one's own; it needs `json` among its `search.formats`.

    Raises:
        ConfigError: The URL or the rate is none.
    """
    return WebProvider(
        name="searxng",
        endpoint=base_url.rstrip("/") + "/search",
        question=lambda query, k: Question("GET", {"q": query, "format": "json"}),
        results=_read_searxng,
        requests_per_s=requests_per_s,
        advice={403: "add json to search.formats in the instance's settings.yml"},
    )


def tavily(
    key_env: str = "TAVILY_API_KEY",
    base_url: str = "https://api.tavily.com",
    requests_per_s: float = 1.5,
) -> WebProvider:
    """Tavily, or a server that speaks as it does; a free key takes 100 requests a minute.

    Raises:
        ConfigError: The URL or the rate is none.
    """
    spent = "the account has nothing left to spend; raise its limit"
    return WebProvider(
        name="tavily",
        endpoint=base_url.rstrip("/") + "/search",
        question=lambda query, k: Question(
            "POST", body={"query": query, "max_results": k, "search_depth": "basic"}
        ),
        results=lambda reply: _read(reply, "results", "url", "content"),
        requests_per_s=requests_per_s,
        key_env=key_env,
        key_header="authorization",
        key_prefix="Bearer ",
        advice={432: spent, 433: spent},
    )


def serper(
    key_env: str = "SERPER_API_KEY",
    base_url: str = "https://google.serper.dev",
    requests_per_s: float = 5.0,
) -> WebProvider:
    """Serper, which returns what Google finds.

    Raises:
        ConfigError: The URL or the rate is none.
    """
    return WebProvider(
        name="serper",
        endpoint=base_url.rstrip("/") + "/search",
        question=lambda query, k: Question("POST", body={"q": query, "num": k}),
        results=_read_serper,
        requests_per_s=requests_per_s,
        key_env=key_env,
        key_header="x-api-key",
        advice={400: "see whether the account has credits left"},
    )


def brave(
    key_env: str = "BRAVE_API_KEY",
    base_url: str = "https://api.search.brave.com",
    requests_per_s: float = 1.0,
) -> WebProvider:
    """Brave; one request a second is what its smallest plan allows.

    Raises:
        ConfigError: The URL or the rate is none.
    """
    return WebProvider(
        name="brave",
        endpoint=base_url.rstrip("/") + "/res/v1/web/search",
        question=lambda query, k: Question(
            "GET", {"q": query, "count": str(k), "text_decorations": "false"}
        ),
        results=_read_brave,
        requests_per_s=requests_per_s,
        key_env=key_env,
        key_header="x-subscription-token",
        advice={422: f"see whether the environment variable {key_env} holds a valid key"},
    )


def _read_searxng(reply: JSON) -> list[WebHit]:
    hits = _read(reply, "results", "url", "content")
    silent = reply.get("unresponsive_engines") if isinstance(reply, dict) else None
    if not hits and silent:
        # Nothing was found because nobody looked: that says nothing about the web.
        raise MalformedResultsError(
            f"nothing, as engines of the instance did not answer: {str(silent)[:200]}; disable "
            "those that never do"
        )
    return hits


def _read_serper(reply: JSON) -> list[WebHit]:
    if isinstance(reply, dict) and "searchParameters" in reply:
        reply = {"organic": [], **reply}
    return _read(reply, "organic", "link", "snippet")


def _read_brave(reply: JSON) -> list[WebHit]:
    # Where no page is found there is no `web`.
    if isinstance(reply, dict) and reply.get("type") == "search" and reply.get("web") is None:
        return []
    web = reply.get("web") if isinstance(reply, dict) else None
    hits = _read(web, "results", "url", "description")
    return [WebHit(hit.url, hit.score, _plain(hit.text), _plain(hit.title)) for hit in hits]


def _read(reply: JSON, results: str, url: str, text: str) -> list[WebHit]:
    """The results under a name, in the provider's order, which their scores keep."""
    entries = reply.get(results) if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        raise MalformedResultsError(f"no list of '{results}'")
    hits: dict[str, WebHit] = {}
    for entry in entries:
        found = entry.get(url) if isinstance(entry, dict) else None
        if isinstance(entry, dict) and isinstance(found, str) and found and found not in hits:
            score = 1.0 / (len(hits) + 1)
            hits[found] = WebHit(found, score, _text(entry, text), _text(entry, "title"))
    return list(hits.values())


def _text(entry: Mapping[str, JSON], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text))


def _check_url(url: str) -> None:
    """Refuse a URL that nobody can be asked at; the text repeats nothing that may be a secret."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or not (url.isascii() and url.isprintable()):
        raise ConfigError(
            "expected a base_url like 'http://localhost:8888', got one without a scheme http or "
            "https, a host, or a right port; correct it"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "expected a base_url of scheme, host and path, got one with credentials, a query or a "
            "fragment; a key belongs into an environment variable"
        )
