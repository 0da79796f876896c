"""Reading a configuration: YAML or TOML, overrides, and mistakes told in one line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reachgym.envs.errors import ConfigError
from reachgym.envs.types import JSON
from reachgym.study.config.section import Section
from reachgym.study.config.study import StudyConfig

S = TypeVar("S", bound=Section)


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML in which a key stands once; otherwise the last of two would silently win."""

    # The type of `anchor` is the stubs' own.
    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key '{key.value}' stands twice; rename or remove one",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return node


def load_config(path: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read and validate a study; `overrides` are `dotted.key=value` with YAML values.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong; the text has one line
            per mistake.
    """
    return validated(StudyConfig, read_content(path, overrides), str(path))


def read_content(path: Path, overrides: Sequence[str] = ()) -> dict[str, JSON]:
    """What a configuration's file holds, with overrides, unchecked.

    Raises:
        ConfigError: The file cannot be read, or an override is none.
    """
    return changed(_read(path), overrides)


def changed(content: dict[str, JSON], overrides: Sequence[str]) -> dict[str, JSON]:
    """A configuration's content with overrides, each `dotted.key=value` with a YAML value.

    Raises:
        ConfigError: An override is none.
    """
    for override in overrides:
        _apply(content, override)
    return content


def validated(kind: type[S], content: Mapping[str, object], source: str) -> S:
    """A configuration of some kind, from what a file or the command line holds.

    Raises:
        ConfigError: A key or value is wrong; the text has one line per mistake.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        lines = [_explain(item, kind) for item in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(lines)) from None


def _read(path: Path) -> dict[str, JSON]:
    try:
        text = path.read_text(encoding="utf-8")
        is_toml = path.suffix == ".toml"
        content = tomllib.loads(text) if is_toml else yaml.load(text, _UniqueKeys)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        first_line = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML or TOML: {first_line}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, got {type(content).__name__}")
    return content


def _apply(content: dict[str, JSON], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set expects key=value, e.g. world.seed=7; got '{override}'")
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: '{parent}' is a value, not a section")
        place = inner
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {key}: '{text}' is no YAML value; quote it") from None


def _explain(item: ErrorDetails, kind: type[Section]) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "configuration"
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        near = difflib.get_close_matches(str(item["loc"][-1]), _known_keys(kind), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "; remove it"
        return f"unknown key '{where}'{hint}"
    if item["type"] == "missing":
        return f"'{where}' is missing; add it"
    came = repr(item["input"])
    shown = f", got {came[:60]}" if not isinstance(item["input"], dict) else ""
    return f"'{where}': {item['msg'].removeprefix('Value error, ')}{shown}"


def _known_keys(kind: type[Section]) -> list[str]:
    found: set[str] = set()

    def collect(schema: object) -> None:
        if isinstance(schema, dict):
            found.update(schema.get("properties", {}))
            for value in schema.values():
                collect(value)
        elif isinstance(schema, list):
            for value in schema:
                collect(value)

    collect(kind.model_json_schema())
    return sorted(found)
