"""The `web_search` tool: pages of the web for a query, as numbered lines."""

from __future__ import annotations

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.web import WebSearch
from reachgym.envs.retrieval.web_providers import MOST_RESULTS, WebHit
from reachgym.envs.tools.base import Tool, tool

NO_PAGES = "no pages found"
_MOST_SNIPPET_CHARS = 500


def web_search_tool(search: WebSearch, k: int = 5) -> Tool:
    """A tool that shows the `k` best pages for a query: number and title, URL, what is quoted.

    A query that no provider takes is a `ToolError`; a provider that cannot be had is an
    `InfrastructureError`. Where nothing is found it returns `NO_PAGES`.

    Raises:
        ConfigError: `k` is not from 1 to 20.
    """
    if not 1 <= k <= MOST_RESULTS:
        raise ConfigError(f"expected k from 1 to {MOST_RESULTS}, got {k}; show fewer pages")

    @tool
    def web_search(query: str) -> str:
        """Search the web. You get the titles, URLs and snippets of the best pages.

        Args:
            query: Words to search for.
        """
        hits = search.results(query, k)
        return "\n".join(_lines(rank, hit) for rank, hit in enumerate(hits, 1)) or NO_PAGES

    return web_search


def _lines(rank: int, hit: WebHit) -> str:
    snippet = _one_line(hit.text)
    if len(snippet) > _MOST_SNIPPET_CHARS:
        snippet = snippet[:_MOST_SNIPPET_CHARS] + "..."
    lines = (f"{rank}. {_one_line(hit.title)}", _one_line(hit.url), snippet)
    return "\n".join(f"   {line}" if number else line for number, line in enumerate(lines) if line)


def _one_line(text: str) -> str:
    """The text without line breaks and control characters, which a page may have put there."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
