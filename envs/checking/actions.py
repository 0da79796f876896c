"""Random actions: texts, well-formed calls after the tools' schemas, and calls that are wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from reachgym.envs.types import JSON, Message, ToolCall, ToolSpec

NO_TOOL = "no_such_tool"

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LOWEST, _HIGHEST = 0, 9999


def random_text(rng: random.Random) -> str:
    """A number or a few words of random letters."""
    if rng.random() < 0.5:
        return str(rng.randint(_LOWEST, _HIGHEST))
    words = ("".join(rng.choices(_LETTERS, k=rng.randint(1, 6))) for _ in range(rng.randint(1, 3)))
    return " ".join(words)


def random_calls(specs: Sequence[ToolSpec], rng: random.Random) -> Message:
    """A turn that calls one of the tools with arguments that its schema allows."""
    spec = rng.choice(specs)
    return call(spec.name, random_arguments(spec.parameters, rng))


def call(name: str, arguments: Mapping[str, JSON]) -> Message:
    """A turn with one call."""
    return Message("assistant", tool_calls=(ToolCall("call_0", name, arguments),))


def empty_calls(names: Sequence[str]) -> Message:
    """A turn that calls each tool without arguments."""
    calls = (ToolCall(f"call_{index}", name) for index, name in enumerate(names))
    return Message("assistant", tool_calls=tuple(calls))


def random_arguments(parameters: Mapping[str, JSON], rng: random.Random) -> dict[str, JSON]:
    """A value for every property of a tool's parameters."""
    value = _draw(parameters, parameters, rng)
    return value if isinstance(value, dict) else {}


def with_text(parameters: Mapping[str, JSON], text: str, rng: random.Random) -> dict[str, JSON]:
    """Arguments that hold a text wherever a text is allowed."""
    arguments = random_arguments(parameters, rng)
    return {name: text if isinstance(old, str) else old for name, old in arguments.items()}


def _draw(schema: Mapping[str, JSON], root: Mapping[str, JSON], rng: random.Random) -> JSON:
    if "const" in schema:
        return schema["const"]
    for key in ("enum", "anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list) and options:
            drawn = rng.choice(options)
            return drawn if key == "enum" else _draw(_object(drawn), root, rng)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _draw(_referred(reference, root), root, rng)
    return _draw_typed(schema, root, rng)


def _draw_typed(schema: Mapping[str, JSON], root: Mapping[str, JSON], rng: random.Random) -> JSON:
    match schema.get("type"):
        case "integer" | "number":
            return rng.randint(*_range(schema))
        case "boolean":
            return rng.random() < 0.5
        case "array":
            fewest = schema.get("minItems", 1)
            items = _object(schema.get("items"))
            return [_draw(items, root, rng) for _ in range(fewest if type(fewest) is int else 1)]
        case "object":
            properties = _object(schema.get("properties"))
            return {name: _draw(_object(part), root, rng) for name, part in properties.items()}
        case "null":
            return None
    return random_text(rng)


def _range(schema: Mapping[str, JSON]) -> tuple[int, int]:
    low, high = schema.get("minimum"), schema.get("maximum")
    lowest = int(low) if isinstance(low, int | float) else _LOWEST
    highest = int(high) if isinstance(high, int | float) else max(lowest, _HIGHEST)
    return min(lowest, highest), highest


def _referred(reference: str, root: Mapping[str, JSON]) -> Mapping[str, JSON]:
    found: JSON = dict(root)
    for part in reference.removeprefix("#/").split("/"):
        found = _object(found).get(part)
    return _object(found)


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
