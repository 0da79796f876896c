"""A search index that a server holds, on this machine or another."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import httpx

from reachgym.envs.errors import ConfigError, InfrastructureError, ToolError
from reachgym.envs.retrieval.corpus import Hit
from reachgym.envs.retrieval.search_server import MOST_QUERIES, MOST_QUERY_CHARACTERS
from reachgym.envs.retrieval.web_retries import Retries, wait_asked_s

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_QUOTE = 300
_RETRIES = Retries()


class _PassingError(Exception):
    """A request failed that may succeed later."""

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class RemoteIndex:
    """The index behind a search server; it finds what the server's own index finds.

    Connections are kept and shared by the threads of a process. Proxies that the environment names
    are not used.

    Attributes:
        base_url: As the server tells it, such as `http://10.0.0.5:8765`.
        retries: How often and how long a search is tried while the server fails or is away.
    """

    base_url: str
    retries: Retries = _RETRIES

    def __post_init__(self) -> None:
        """Refuse what is no URL.

        Raises:
            ConfigError: It is none of HTTP.
        """
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(
                f"expected the URL of a search server, such as http://10.0.0.5:8765, got "
                f"{self.base_url!r}"
            )

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best documents of the server's index.

        Raises:
            ToolError: The query is longer than servers take.
            ConfigError: The server refuses the request, e.g. a `k` beyond its limit.
            InfrastructureError: It gave no answer, however often it was asked.
        """
        return self.search_all([query], k)[0]

    def search_all(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """The hits of each query; as many queries as servers take are sent at once.

        Raises:
            ToolError, ConfigError, InfrastructureError: As `search`.
        """
        if k < 1:
            return [[] for _ in queries]
        for query in queries:
            if len(query) > MOST_QUERY_CHARACTERS:
                raise ToolError(
                    f"expected a query of at most {MOST_QUERY_CHARACTERS} characters, got "
                    f"{len(query)}; ask a shorter one"
                )
        found: list[list[Hit]] = []
        for begin in range(0, len(queries), MOST_QUERIES):
            found += self._tried(queries[begin : begin + MOST_QUERIES], k)
        return found

    def _tried(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        until_s = time.monotonic() + self.retries.total_s
        failures = 0
        while True:
            left_s = until_s - time.monotonic()
            try:
                return self._ask(queries, k, min(self.retries.request_s, max(left_s, 0.001)))
            except _PassingError as error:
                failures += 1
                asked_s = error.wait_s
                wait_s = self.retries.backoff_s(failures) if asked_s is None else asked_s
                if failures >= self.retries.attempts or time.monotonic() + wait_s >= until_s:
                    raise InfrastructureError(
                        f"search server {self.base_url}: {error}, after {failures} attempts; see "
                        "whether it runs"
                    ) from None
            time.sleep(wait_s)

    def _ask(self, queries: Sequence[str], k: int, within_s: float) -> list[list[Hit]]:
        url = f"{self.base_url.rstrip('/')}/search"
        # Escaped, so that lone surrogates pass, which no UTF-8 can hold.
        body = json.dumps({"queries": list(queries), "k": k})
        try:
            response = _client(os.getpid()).post(url, content=body, timeout=within_s)
        except httpx.TransportError as error:
            raise _PassingError(str(error) or type(error).__name__) from None
        if response.status_code in _PASSING:
            raise _PassingError(_told(response), wait_asked_s(response.headers))
        if response.status_code != 200:
            raise ConfigError(
                f"search server {self.base_url}: {_told(response)}; check the URL and what is asked"
            )
        return _hits(response, len(queries))


def _hits(response: httpx.Response, count: int) -> list[list[Hit]]:
    try:
        lists = response.json()["hits"]
        found = [
            [Hit(str(row["doc_id"]), float(row["score"]), str(row["text"])) for row in rows]
            for rows in lists
        ]
    except (ValueError, KeyError, TypeError):
        raise _PassingError(f"sent no hits: {_quoted(response)}") from None
    if len(found) != count:
        raise _PassingError(f"sent {len(found)} lists of hits for {count} queries")
    return found


def _told(response: httpx.Response) -> str:
    return f"answered {response.status_code}: {_quoted(response)}"


def _quoted(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:_LONGEST_QUOTE] or "nothing"


@lru_cache(maxsize=1)
def _client(process: int) -> httpx.Client:
    """The connections of a process; a forked one must not use its parent's."""
    del process
    return httpx.Client(trust_env=False, headers={"content-type": "application/json"})
