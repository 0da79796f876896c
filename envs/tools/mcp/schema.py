"""Checks a call's arguments against a server's JSON schema, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from reachgym.envs.errors import InfrastructureError, ToolError
from reachgym.envs.tools.arguments import decode_strings, quote, tell_faults
from reachgym.envs.types import JSON

_DEEPEST = 100
_LONGEST_COMPLAINT = 200


class ArgumentSchema:
    """A server's schema of one tool's arguments.

    Args:
        tool: The tool's name, as the agent knows it.
        schema: JSON Schema of the arguments' object.
        most_bytes: Longest arguments, as JSON.

    Raises:
        InfrastructureError: It is no JSON Schema.
    """

    def __init__(self, tool: str, schema: Mapping[str, JSON], most_bytes: int) -> None:
        self._tool = tool
        self._schema = schema
        self._most_bytes = most_bytes
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise InfrastructureError(
                f"the server's schema of {tool} is no JSON Schema: {error.message}"
            ) from None
        # An empty registry: nothing is fetched for a `$ref`.
        self._validator: Validator = kind(schema, registry=Registry())

    def check(self, arguments: Mapping[str, JSON]) -> dict[str, JSON]:
        """The arguments as they are to be sent; doubly encoded ones are decoded.

        Raises:
            ToolError: They do not fit, or no JSON message can carry them.
            InfrastructureError: The schema refers to what it does not hold.
        """
        given = dict(arguments)
        self._check_sendable(given)
        while faults := self._faults(given):
            decoded = decode_strings(given, [tuple(fault.absolute_path) for fault in faults])
            if decoded == given:
                said = [text for fault in faults for text in _explain(fault)]
                raise ToolError(tell_faults(self._tool, self._parameters(), said))
            given = decoded
        return given

    def _faults(self, arguments: dict[str, JSON]) -> list[ValidationError]:
        try:
            faults: Iterable[ValidationError] = self._validator.iter_errors(arguments)
            return sorted(faults, key=lambda fault: [str(part) for part in fault.absolute_path])
        except Unresolvable as error:
            raise InfrastructureError(
                f"the server's schema of {self._tool} refers to what it does not hold: {error}"
            ) from None

    def _check_sendable(self, arguments: dict[str, JSON]) -> None:
        if _depth(arguments) > _DEEPEST:
            raise ToolError(f"{self._tool}: the arguments are nested more than {_DEEPEST} deep")
        try:
            size = len(json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode())
        except ValueError as error:
            raise ToolError(f"{self._tool}: the arguments are no JSON ({error})") from None
        if size > self._most_bytes:
            raise ToolError(
                f"{self._tool}: the arguments have at most {self._most_bytes:,} bytes, got {size:,}"
            )

    def _parameters(self) -> list[str]:
        properties = self._schema.get("properties")
        return list(properties) if isinstance(properties, dict) else []


def _depth(value: JSON) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inside
            for item in level
            if isinstance(item, dict | list)
            for inside in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _explain(fault: ValidationError) -> list[str]:
    """What is wrong at one place, in few words."""
    place = ".".join(str(part) for part in fault.absolute_path)
    if fault.validator == "required" and isinstance(fault.instance, dict):
        missing = fault.message.removesuffix(" is a required property").strip("'\"")
        return [f"'{f'{place}.{missing}' if place else missing}' is missing"]
    if fault.validator == "additionalProperties" and isinstance(fault.instance, dict):
        known = fault.schema.get("properties", {}) if isinstance(fault.schema, dict) else {}
        unknown = [key for key in fault.instance if key not in known]
        return [f"there is no '{f'{place}.{key}' if place else key}'" for key in unknown]
    wanted = _wanted(fault)
    if wanted:
        return [f"'{place}' should be {' or '.join(wanted)}, got {quote(fault.instance)}"]
    inner = best_match(fault.context) if fault.context else None
    complaint = (inner or fault).message
    if len(complaint) > _LONGEST_COMPLAINT:
        complaint = complaint[:_LONGEST_COMPLAINT] + "..."
    return [f"'{place}' is wrong ({complaint})" if place else complaint]


def _wanted(fault: ValidationError) -> list[str]:
    """The types or values that would do, where that is all there is to say."""
    if fault.validator == "type":
        kinds = fault.validator_value
        return [str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    if fault.validator == "enum" and isinstance(fault.validator_value, list):
        return [quote(value) for value in fault.validator_value]
    if fault.validator == "const":
        return [quote(fault.validator_value)]
    if fault.validator in ("anyOf", "oneOf") and fault.context:
        inner = [_wanted(one) if not one.relative_path else [] for one in fault.context]
        return [text for texts in inner for text in texts] if all(inner) else []
    return []
