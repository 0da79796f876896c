"""What a family's keyword arguments mean: the tools offered, the information reachable, ranges."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from reachgym.envs.errors import ConfigError
from reachgym.envs.retrieval.bm25 import BM25Index
from reachgym.envs.retrieval.corpus import SearchIndex
from reachgym.envs.suites.world import NAME_LETTERS, shuffled_index, world_index
from reachgym.envs.tools.base import Tool, WorkspaceTool
from reachgym.envs.tools.python import python_tool
from reachgym.envs.tools.search import search_tool
from reachgym.envs.types import JSON

Information: TypeAlias = Literal["full", "withheld", "shuffled"]

TOOLS = ("search", "python")
INFORMATION: tuple[Information, ...] = ("full", "withheld", "shuffled")

_KEYS = ("tools", "information")


@dataclass(frozen=True, slots=True)
class Interface:
    """What an agent is offered.

    Attributes:
        tools: Names out of `TOOLS`.
        information: What searching tells: `full` is the documents as they are; with `withheld`
            nothing is found; with `shuffled` the same documents are found and each shows
            another one's text, which keeps the interaction and destroys the information.
    """

    tools: tuple[str, ...]
    information: Information = "full"

    def build_tools(
        self, world_seed: int, letters: int = NAME_LETTERS
    ) -> list[Tool | WorkspaceTool]:
        """The offered tools, `search` over the documents of a world."""
        return [
            _search(world_seed, letters, self.information) if name == "search" else python_tool
            for name in self.tools
        ]


def parse_interface(given: Mapping[str, JSON] | None, default: Sequence[str]) -> Interface:
    """The interface that an environment's `interface` argument describes.

    Args:
        given: `{"tools": [...], "information": "full"}`, either key optional; None for all
            defaults.
        default: The tools offered where `given` names none.

    Raises:
        ConfigError: A key, a tool or a value is none of those known.
    """
    if given is None:
        return Interface(tuple(default))
    if not isinstance(given, Mapping):
        raise ConfigError(
            'interface expects a mapping such as {"tools": ["search"], "information": "full"}, '
            f"got {given!r}"
        )
    for key in given:
        _require_known("interface", key, _KEYS)
    tools = _tool_names(given.get("tools", list(default)))
    return Interface(tools, _information(given.get("information", "full")))


def require_seed(value: object) -> None:
    """Refuse a world seed that is no integer of 63 bits.

    Raises:
        ConfigError: It is not.
    """
    require_in_range("world_seed", value, 0, 2**63 - 1)


def require_in_range(name: str, value: object, lowest: int, highest: int) -> None:
    """Refuse a value that is no integer from `lowest` to `highest`.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ConfigError(f"{name} expects an integer from {lowest} to {highest}, got {value!r}")


# It keeps nothing between calls, and making one costs a millisecond: environments share it.
@lru_cache(maxsize=16)
def _search(world_seed: int, letters: int, information: Information) -> Tool:
    return search_tool(_index(world_seed, letters, information))


def _index(world_seed: int, letters: int, information: Information) -> SearchIndex:
    if information == "full":
        return world_index(world_seed, letters)
    return shuffled_index(world_seed, letters) if information == "shuffled" else BM25Index(())


def _tool_names(given: JSON) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"interface.tools expects a list out of {list(TOOLS)}, got {given!r}")
    for name in given:
        _require_known("interface.tools", name, TOOLS)
    names = tuple(str(name) for name in given)
    if len(set(names)) < len(names):
        raise ConfigError(f"interface.tools names a tool twice, got {list(names)}; name each once")
    return names


def _information(given: JSON) -> Information:
    for word in INFORMATION:
        if given == word:
            return word
    raise _unknown("interface.information", given, INFORMATION)


def _require_known(where: str, name: object, known: Sequence[str]) -> None:
    if name not in known:
        raise _unknown(where, name, known)


def _unknown(where: str, name: object, known: Sequence[str]) -> ConfigError:
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(known)}"
    return ConfigError(f"{where} knows {', '.join(known)}, got {name!r}; {hint}")
