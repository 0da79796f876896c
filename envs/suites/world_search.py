"""The tools over a world: search in its facts, and Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.suites.interface import Text
from reachgym.envs.suites.world import NAME_LETTERS, shuffled_index, world_index
from reachgym.envs.tools.base import Tool, WorkspaceTool, tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.search import NOTHING_FOUND, search_tool
from reachgym.envs.types import JSON
from reachgym.envs.workspace import Workspace

TOOLS = ("search", "python")
ENTRY = ": "

_SHOWN = 3


def world_tools(
    world_seed: int, text: Text, letters: int = NAME_LETTERS
) -> Mapping[str, WorkspaceTool]:
    """The tools by name.

    All tasks share the documents, so search heeds `shuffled` by itself: the same documents are
    found and each shows another one's value, which keeps the interaction and destroys the
    information.
    """

    def search(workspace: Workspace) -> Tool:
        def run(arguments: Mapping[str, JSON]) -> str:
            shuffled = workspace.information == "shuffled"
            return _search(world_seed, text, letters, shuffled=shuffled).run(arguments)

        return replace(_search(world_seed, text, letters, shuffled=False), run=run)

    return {"search": search, "python": python_tool}


# It keeps nothing between calls, and making one costs a millisecond: environments share it.
@lru_cache(maxsize=16)
def _search(world_seed: int, text: Text, letters: int, *, shuffled: bool) -> Tool:
    index = shuffled_index(world_seed, letters) if shuffled else world_index(world_seed, letters)
    return search_tool(index) if text == "terse" else _directory_tool(index)


def _directory_tool(index: SearchIndex) -> Tool:
    def search(query: str) -> str:
        """Search the directory. You get its best entries, a line each: NAME/RELATION: VALUE.

        Args:
            query: A name and a relation, such as "abcde P".
        """
        hits = index.search(query, _SHOWN)
        return "\n".join(f"{hit.doc_id}{ENTRY}{hit.text}" for hit in hits) or NOTHING_FOUND

    return tool(search)
