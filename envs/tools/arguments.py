"""Checks a call's arguments against a function's hints, and tells the agent what does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from reachgym.envs.errors import ToolError
from reachgym.envs.tools.signature import Signature
from reachgym.envs.types import JSON

Path: TypeAlias = tuple[str | int, ...]

_LONGEST_QUOTE = 80
_MOST_FAULTS = 5
_SHOULD_BE = "Input should be "
# What pydantic says in Python's words is said in JSON's.
_IN_JSON = {
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "list_type": "an array",
    "tuple_type": "an array",
    "set_type": "an array",
    "none_required": "null",
    "int_parsing": "a valid integer",
    "int_from_float": "a valid integer",
    "float_parsing": "a valid number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
}


def check_arguments(signature: Signature, arguments: Mapping[str, JSON]) -> dict[str, object]:
    """The arguments as the function takes them.

    What is wrong as a string but is the JSON text of something else is taken for that, as models
    often encode arrays and objects twice.

    Raises:
        ToolError: They do not fit; says which, what was expected and what came.
    """
    given: dict[str, JSON] = dict(arguments)
    while True:
        try:
            checked = signature.model.model_validate(given)
            return dict(zip(signature.names, (value for _, value in checked), strict=True))
        except ValidationError as error:
            paths = [_path(item, given) for item in error.errors(include_url=False)]
            decoded = decode_strings(given, paths)
            if decoded == given:
                raise ToolError(_explain(signature, given, error)) from None
            given = decoded


def decode_strings(arguments: Mapping[str, JSON], paths: Sequence[Path]) -> dict[str, JSON]:
    """The arguments, with those strings decoded that lie at the paths and are JSON texts.

    Each decoding makes the text shorter, so that repeating it comes to an end.
    """
    decoded = dict(arguments)
    for path in paths:
        if path and path[0] in decoded:
            decoded[str(path[0])] = _decoded_at(decoded[str(path[0])], path[1:])
    return decoded


def _decoded_at(value: JSON, path: Path) -> JSON:
    # Only what lies on the path is copied: what an agent nests deeply is never gone through.
    if not path:
        return _decoded(value) if isinstance(value, str) else value
    part, rest = path[0], path[1:]
    if not _holds(value, part):
        return value
    inside = _decoded_at(_inside(value, part), rest)
    if isinstance(value, list) and isinstance(part, int):
        return [*value[:part], inside, *value[part + 1 :]]
    return {**value, str(part): inside} if isinstance(value, dict) else value


def _decoded(text: str) -> JSON:
    """What a JSON text stands for; the text itself where it is none."""
    try:
        value: JSON = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    return value


def quote(value: object) -> str:
    """A value as the agent may have written it, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


def tell_faults(tool: str, parameters: Sequence[str], faults: Sequence[str]) -> str:
    """What the agent is told of arguments that do not fit."""
    shown = [*faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        shown.append(f"and {len(faults) - _MOST_FAULTS} more faults")
    return f"{tool} takes ({', '.join(parameters)}). {'; '.join(shown)}"


def _explain(signature: Signature, arguments: Mapping[str, JSON], error: ValidationError) -> str:
    # A value that fits no member of a union has an error for each: they are told as one.
    by_place: dict[str, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        place = ".".join(map(str, _path(item, arguments)))
        by_place.setdefault(place, []).append(item)
    faults = [_fault(place, items) for place, items in by_place.items()]
    return tell_faults(signature.spec.name, signature.names, faults)


def _path(item: ErrorDetails, arguments: Mapping[str, JSON]) -> Path:
    """Where in the arguments it is; an error's own location also names members of unions."""
    value: JSON = dict(arguments)
    path: list[str | int] = []
    for part in item["loc"]:
        if _holds(value, part):
            path.append(part)
            value = _inside(value, part)
    if item["type"] == "missing":
        path.append(item["loc"][-1])
    return tuple(path)


def _holds(value: JSON, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _inside(value: JSON, part: str | int) -> JSON:
    """What is at a key or an index; None where there is nothing."""
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) else None


def _fault(place: str, items: Sequence[ErrorDetails]) -> str:
    first = items[0]
    if first["type"] == "missing":
        return f"'{place}' is missing"
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"there is no '{place}'"
    wanted = [text for text in dict.fromkeys(map(_wanted, items)) if text]
    said = f"should be {' or '.join(wanted)}" if wanted else f"is wrong ({first['msg']})"
    return f"'{place}' {said}, got {quote(first['input'])}"


def _wanted(item: ErrorDetails) -> str:
    if item["type"] in _IN_JSON:
        return _IN_JSON[item["type"]]
    said = item["msg"]
    return said.removeprefix(_SHOULD_BE) if said.startswith(_SHOULD_BE) else ""
