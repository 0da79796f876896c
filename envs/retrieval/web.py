"""Search of the live web: asked at a pace, tried again, and kept for replay."""

from __future__ import annotations

import time
from pathlib import Path

from reachgym.envs.errors import ConfigError, InfrastructureError, InputError, ToolError
from reachgym.envs.retrieval.corpus import Hit
from reachgym.envs.retrieval.node_cache import default_root
from reachgym.envs.retrieval.web_cache import CacheMode, ResponseCache
from reachgym.envs.retrieval.web_exchange import Fault, ask
from reachgym.envs.retrieval.web_pace import Pace
from reachgym.envs.retrieval.web_providers import MOST_RESULTS, WebHit, WebProvider
from reachgym.envs.retrieval.web_retries import Retries
from reachgym.envs.secret import Secret
from reachgym.envs.types import JSON

# What Tavily and Brave take; for all of them, so that a query suits one as it suits another.
_MOST_QUERY_CHARS = 400
_MOST_QUERY_WORDS = 50
# They are no characters of their own, but words of some languages are not right without them.
_JOINERS = "\u200c\u200d"


class WebSearch:
    """A search index over the web.

    Whatever fails is an `InfrastructureError`, so that the attempt stays unscored; that nothing is
    found is an answer.
    """

    def __init__(
        self,
        provider: WebProvider,
        *,
        cache: ResponseCache | None = None,
        retries: Retries | None = None,
        pace_root: Path | None = None,
    ) -> None:
        """A search with a provider.

        Args:
            provider: Who is asked.
            cache: What keeps and replays results; by default nothing does.
            retries: How often and how long to try.
            pace_root: Where the machine's processes share their pace; by default in the folder that
                `node_cache.default_root` says.

        Raises:
            ConfigError: The provider's key is not in the environment, though it is to be asked; or
                the pace cannot be shared.
        """
        self._provider = provider
        self._cache = cache or ResponseCache()
        self._retries = retries or Retries()
        self._secret: Secret | None = None
        self._pace: Pace | None = None
        if self._cache.mode is not CacheMode.REPLAY:
            self._secret = _secret_of(provider)
            root = default_root() / "pace" if pace_root is None else pace_root
            self._pace = Pace(provider.endpoint, 1 / provider.requests_per_s, root)

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best pages, as `results` gives them."""
        return list(self.results(query, k))

    def results(self, query: str, k: int) -> list[WebHit]:
        """The `k` best pages in the provider's order, best first.

        Args:
            query: Words to search for; white space and control characters only separate them.
            k: How many results, 1 to 20.

        Raises:
            ToolError: No provider takes the query; the text says why.
            InputError: `k` is none that can be asked for.
            InfrastructureError: The provider cannot be had, or nothing is kept to be replayed.
        """
        if not 1 <= k <= MOST_RESULTS:
            raise InputError(f"expected k from 1 to {MOST_RESULTS}, got {k}; ask for fewer results")
        words = _checked(query)
        request: dict[str, JSON] = {"provider": self._provider.name, "query": words, "k": k}
        kept = self._cache.response(request, lambda: _as_json(self._asked(words, k)))
        return _from_json(kept)

    def _asked(self, query: str, k: int) -> list[WebHit]:
        until_s = time.monotonic() + self._retries.total_s
        failures = 0
        while True:
            self._await_turn(until_s)
            within_s = min(self._retries.request_s, max(0.1, until_s - time.monotonic()))
            reply = ask(self._provider, self._secret, query, k, within_s)
            if not isinstance(reply, Fault):
                return reply[:k]
            failures += 1
            self._wait_out(reply, failures, until_s)

    def _await_turn(self, until_s: float) -> None:
        """Wait for a turn among all processes of the machine."""
        left_s = until_s - time.monotonic()
        wait_s = self._pace.take(left_s) if self._pace is not None else 0.0
        if wait_s is None:
            raise self._error(
                f"had no turn within {left_s:.3g} s at {self._provider.requests_per_s:g} requests "
                "a second, or asked for a pause; run fewer episodes at once, or raise the rate"
            )
        time.sleep(wait_s)

    def _wait_out(self, fault: Fault, failures: int, until_s: float) -> None:
        """Wait until the next request is worth it.

        Raises:
            InfrastructureError: It never is.
        """
        if not fault.retry:
            raise self._error(fault.problem)
        if fault.wait_s is not None and self._pace is not None:
            # Whoever else asks next would be refused as well.
            self._pace.hold(fault.wait_s)
        if failures >= self._retries.attempts:
            raise self._error(f"{fault.problem}; given up after {failures} requests")
        wait_s = self._retries.backoff_s(failures) + (fault.wait_s or 0.0)
        if wait_s > until_s - time.monotonic():
            raise self._error(
                f"{fault.problem}; waiting {wait_s:.3g} s for the next request would exceed "
                f"{self._retries.total_s:g} s"
            )
        time.sleep(wait_s)

    def _error(self, problem: str) -> InfrastructureError:
        return InfrastructureError(f"{self._provider.name} {problem}")


def _checked(query: str) -> str:
    """The words of a query, a space between them."""
    if any("\ud800" <= char <= "\udfff" for char in query):
        raise ToolError("the query holds half a character (a lone surrogate); leave it out")
    words = "".join(char if _is_written(char) else " " for char in query).split()
    if not words:
        raise ToolError("the query is empty; give words to search for")
    text = " ".join(words)
    if len(text) > _MOST_QUERY_CHARS or len(words) > _MOST_QUERY_WORDS:
        raise ToolError(
            f"the query has {len(text)} characters and {len(words)} words; at most "
            f"{_MOST_QUERY_CHARS} and {_MOST_QUERY_WORDS} can be searched for"
        )
    return text


def _is_written(char: str) -> bool:
    return char.isprintable() or char in _JOINERS


def _as_json(hits: list[WebHit]) -> JSON:
    return [{"url": hit.url, "title": hit.title, "text": hit.text} for hit in hits]


def _from_json(kept: JSON) -> list[WebHit]:
    entries = kept if isinstance(kept, list) else []
    return [
        WebHit(str(entry["url"]), 1.0 / rank, str(entry["text"]), str(entry["title"]))
        for rank, entry in enumerate(entries, start=1)
        if isinstance(entry, dict)
    ]


def _secret_of(provider: WebProvider) -> Secret | None:
    if provider.key_env is None:
        return None
    secret = Secret.from_environment(provider.key_env)
    if secret is None:
        raise ConfigError(
            f"expected a key in the environment variable {provider.key_env}, got nothing; set it, "
            "or replay kept responses, which takes no key"
        )
    return secret
