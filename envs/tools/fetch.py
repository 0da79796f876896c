"""The `fetch` tool: an agent's way to read a page of the web."""

from __future__ import annotations

from reachgym.envs.retrieval.fetching import Fetcher, Page
from reachgym.envs.tools.base import Tool, tool

_EMPTY = "[the page is empty]"
_CUT = "[the page goes on, but only its beginning can be read]"


def fetch_tool(fetcher: Fetcher) -> Tool:
    """A tool that reads a page as text: its URL and title, then what it says.

    A page that may not or cannot be had is a `ToolError`; only a machine without network is an
    `InfrastructureError`.
    """

    @tool
    def fetch(url: str) -> str:
        """Read a page of the web. You get its URL and its text, HTML as Markdown.

        Args:
            url: The page's whole URL, beginning with http:// or https://.
        """
        return _shown(fetcher.fetch(url))

    return fetch


def _shown(page: Page) -> str:
    head = f"{page.url}\n{page.title}" if page.title else page.url
    return "\n\n".join(filter(None, (head, page.text or _EMPTY, _CUT if page.cut else "")))
