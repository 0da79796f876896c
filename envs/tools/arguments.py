"""Checks a call's arguments against a function's hints, and tells the agent what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reachgym.envs.errors import ToolError
from reachgym.envs.tools.signature import Signature
from reachgym.envs.types import JSON, ToolSpec

_LONGEST_QUOTE = 80


def check_arguments(signature: Signature, arguments: Mapping[str, JSON]) -> dict[str, object]:
    """The arguments as the function takes them.

    Raises:
        ToolError: They do not fit; says which, what was expected and what came.
    """
    try:
        checked = signature.model.model_validate(dict(arguments))
    except ValidationError as error:
        raise ToolError(_explain(signature.spec, error)) from None
    return dict(zip(signature.names, (value for _, value in checked), strict=True))


def _explain(spec: ToolSpec, error: ValidationError) -> str:
    properties = spec.parameters["properties"]
    names = ", ".join(properties) if isinstance(properties, dict) else ""
    faults = "; ".join(_fault(item) for item in error.errors(include_url=False))
    return f"{spec.name} takes ({names}). {faults}"


def _fault(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"'{where}' is missing"
    if item["type"] == "extra_forbidden":
        return f"there is no '{where}'"
    came = repr(item["input"])
    came = came if len(came) <= _LONGEST_QUOTE else came[:_LONGEST_QUOTE] + "..."
    return f"'{where}': {item['msg'][:1].lower()}{item['msg'][1:]}, got {came}"
