"""What a family's keyword arguments mean: tools, information, the form of the text, ranges."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from reachgym.envs.errors import ConfigError
from reachgym.envs.types import INFORMATION, JSON, Information

ToolT = TypeVar("ToolT")

Text: TypeAlias = Literal["chat", "terse"]

TEXTS: tuple[Text, ...] = ("chat", "terse")
_KEYS = ("tools", "information")


@dataclass(frozen=True, slots=True)
class Interface:
    """What an agent is offered.

    Attributes:
        tools: Names out of those that the family knows.
        information: What tools tell, as `ToolEnv` has it.
    """

    tools: tuple[str, ...]
    information: Information = "full"

    def chosen(self, known: Mapping[str, ToolT]) -> list[ToolT]:
        """The offered ones of the tools that a family knows by name."""
        return [known[name] for name in self.tools]


def parse_interface(
    given: Mapping[str, JSON] | None, *, known: Sequence[str], default: Sequence[str]
) -> Interface:
    """The interface that an environment's `interface` argument describes.

    Args:
        given: `{"tools": [...], "information": "full"}`, either key optional; None for all
            defaults.
        known: The tools that the family knows.
        default: The tools offered where `given` names none.

    Raises:
        ConfigError: A key, a tool or a value is none of those known.
    """
    if given is None:
        return Interface(tuple(default))
    if not isinstance(given, Mapping):
        raise ConfigError(
            f'interface expects a mapping such as {{"tools": {list(default)}, "information": '
            f'"full"}}, got {given!r}'
        )
    for key in given:
        _require_known("interface", key, _KEYS)
    tools = _tool_names(given.get("tools", list(default)), known)
    return Interface(tools, _information(given.get("information", "full")))


def require_text(value: object) -> Text:
    """The text form that an environment's `text` argument names.

    Raises:
        ConfigError: There is none of that name.
    """
    for word in TEXTS:
        if value == word:
            return word
    raise _unknown("text", value, TEXTS)


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


def _tool_names(given: JSON, known: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"interface.tools expects a list out of {list(known)}, got {given!r}")
    for name in given:
        _require_known("interface.tools", name, known)
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
