"""The tools over a world: search in its facts, and Python."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from reachgym.envs.information import Information
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.suites.interface import Text
from reachgym.envs.suites.world import NAME_LETTERS, shuffled_index, world_index
from reachgym.envs.tools.base import Tool, WorkspaceTool, tool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.search import NOTHING_FOUND, search_tool

TOOLS = ("search", "python")
ENTRY = ": "

_SHOWN = 3


def world_tools(
    world_seed: int, text: Text, information: Information, letters: int = NAME_LETTERS
) -> Mapping[str, Tool | WorkspaceTool]:
    """The tools by name.

    What search tells is decided here and not by the environment, as all tasks share the documents:
    with `withheld` nothing is found; with `shuffled` the same documents are found and each shows
    another one's value, which keeps the interaction and destroys the information.
    """
    return {"search": _search(world_seed, text, information, letters), "python": python_tool}


# It keeps nothing between calls, and making one costs a millisecond: environments share it.
@lru_cache(maxsize=16)
def _search(world_seed: int, text: Text, information: Information, letters: int) -> Tool:
    index = _index(world_seed, information, letters)
    return search_tool(index) if text == "terse" else _directory_tool(index)


def _index(world_seed: int, information: Information, letters: int) -> SearchIndex:
    if information == "full":
        return world_index(world_seed, letters)
    return shuffled_index(world_seed, letters) if information == "shuffled" else BM25Index(())


def _directory_tool(index: SearchIndex) -> Tool:
    def search(query: str) -> str:
        """Search the directory. You get its best entries, a line each: NAME/RELATION: VALUE.

        Args:
            query: A name and a relation, such as "abcde P".
        """
        hits = index.search(query, _SHOWN)
        return "\n".join(f"{hit.doc_id}{ENTRY}{hit.text}" for hit in hits) or NOTHING_FOUND

    return tool(search)
