"""Makes of pydantic's JSON schema one that chat templates and endpoints can read."""

from __future__ import annotations

from collections.abc import Mapping

from reachgym.envs.types import JSON

_REFERENCE = "#/$defs/"


def plain_schema(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """The schema less its titles, which repeat names, its definitions put where they are used.

    Only what contains itself stays a definition: many a chat template reads no `$ref`.
    """
    bare = _without_titles(schema)
    definitions = bare.pop("$defs", {})
    if not isinstance(definitions, dict):
        return bare
    recursive = {name: body for name, body in definitions.items() if _reaches(name, definitions)}
    put = {name: body for name, body in definitions.items() if name not in recursive}
    plain = _put_in(bare, put)
    if recursive:
        plain["$defs"] = {name: _put_value_in(body, put) for name, body in recursive.items()}
    return plain


def _reaches(name: str, definitions: Mapping[str, JSON]) -> bool:
    """Whether a definition contains itself."""
    seen: set[str] = set()
    ahead = _references(definitions[name])
    while ahead:
        found = ahead.pop()
        if found == name:
            return True
        if found not in seen:
            seen.add(found)
            ahead |= _references(definitions[found])
    return False


def _references(value: JSON) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_references, value.values()))
    name = _referred(value)
    return found if name is None else found | {name}


def _referred(node: Mapping[str, JSON]) -> str | None:
    reference = node.get("$ref")
    return reference.removeprefix(_REFERENCE) if isinstance(reference, str) else None


def _put_in(node: Mapping[str, JSON], definitions: Mapping[str, JSON]) -> dict[str, JSON]:
    name = _referred(node)
    body = definitions.get(name) if name is not None else None
    if not isinstance(body, dict):
        return {key: _put_value_in(value, definitions) for key, value in node.items()}
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return _put_in(body | beside, definitions)


def _put_value_in(value: JSON, definitions: Mapping[str, JSON]) -> JSON:
    if isinstance(value, dict):
        return _put_in(value, definitions)
    if isinstance(value, list):
        return [_put_value_in(item, definitions) for item in value]
    return value


def _without_titles(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    stripped: dict[str, JSON] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            stripped[key] = {name: _strip(inner) for name, inner in value.items()}
        elif key in ("default", "enum", "const", "examples"):
            stripped[key] = value
        elif key != "title":
            stripped[key] = _strip(value)
    return stripped


def _strip(value: JSON) -> JSON:
    if isinstance(value, dict):
        return _without_titles(value)
    return [_strip(item) for item in value] if isinstance(value, list) else value
