"""The `search` tool: an agent's way into a search index."""

from __future__ import annotations

from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.tools.base import Tool, tool

NOTHING_FOUND = "-"


def search_tool(index: SearchIndex, k: int = 1) -> Tool:
    """A tool that returns the texts of the `k` best documents for a query, one per line.

    Where nothing is found it returns `NOTHING_FOUND`.
    """

    def search(query: str) -> str:
        """Search the documents and read the best match.

        Args:
            query: Words to search for.
        """
        return "\n".join(hit.text for hit in index.search(query, k)) or NOTHING_FOUND

    return tool(search)
