"""Reads a typed function: what the agent is told of it, and what checks the arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model

from reachgym.envs.errors import InputError
from reachgym.envs.tools.schema import plain_schema
from reachgym.envs.types import JSON, ToolSpec
from reachgym.envs.workspace import Workspace

_SECTION = re.compile(r"^\s*(Args|Arguments|Returns|Raises|Yields):\s*$", re.MULTILINE)
_ARGUMENT = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_BY_PLACE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function as a tool.

    Attributes:
        spec: How the agent is told of it.
        model: Validates the arguments, in the order of `names`.
        names: The parameters that the agent fills in.
        takes_workspace: Whether the first parameter is the episode's workspace.
    """

    spec: ToolSpec
    model: type[BaseModel]
    names: tuple[str, ...]
    takes_workspace: bool


def read_signature(function: Callable[..., object]) -> Signature:
    """Read a function's hints and its Google-style docstring.

    Raises:
        InputError: It cannot be made a tool; the text says why.
    """
    _check_kind(function)
    summary, described = _read_docstring(function)
    parameters = dict(_read_parameters(function, described))
    takes_workspace = _take_workspace(function.__name__, parameters)
    model, schema = _argument_model(function.__name__, parameters, described)
    spec = ToolSpec(function.__name__, summary, schema)
    return Signature(spec, model, tuple(parameters), takes_workspace)


def _check_kind(function: Callable[..., object]) -> None:
    if not inspect.isroutine(function):
        raise InputError(f"a tool is made of a function or a method; got {function!r}")
    if not _NAME.fullmatch(function.__name__):
        raise InputError(
            "a tool's name has at most 64 ASCII letters, digits and underscores, as endpoints take "
            f"no other; got {function.__name__!r}"
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InputError(
            f"tool {function.__name__} is async, and environments are synchronous; make it a plain "
            "function, which may call asyncio.run(...)"
        )
    if inspect.isgeneratorfunction(function):
        raise InputError(
            f"tool {function.__name__} yields, and a tool has one result; return it instead"
        )


def _read_parameters(
    function: Callable[..., object], described: Mapping[str, str]
) -> Mapping[str, inspect.Parameter]:
    """The function's parameters, their annotations evaluated."""
    name = function.__name__
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise InputError(
            f"tool {name}: a type hint cannot be evaluated ({error}); hints must name types of the "
            "function's module"
        ) from error
    for parameter in signature.parameters.values():
        if parameter.annotation is inspect.Parameter.empty:
            raise InputError(
                f"tool {name}: parameter '{parameter.name}' has no type hint; add one, as the "
                "agent's schema is made from it"
            )
    for missing in described.keys() - signature.parameters.keys():
        raise InputError(
            f"tool {name}: the docstring describes '{missing}'; the parameters are "
            f"({', '.join(signature.parameters)})"
        )
    return signature.parameters


def _take_workspace(name: str, parameters: dict[str, inspect.Parameter]) -> bool:
    """Take the workspace from the parameters, if there is one; what is left is given by name."""
    first = next(iter(parameters.values()), None)
    taken = first is not None and first.annotation is Workspace and first.kind in _BY_PLACE
    if first is not None and taken:
        del parameters[first.name]
    for parameter in parameters.values():
        if parameter.annotation is Workspace:
            raise InputError(
                f"tool {name}: the workspace must be the first parameter, and the only one; got it "
                f"as '{parameter.name}'"
            )
        if parameter.kind not in _BY_NAME:
            raise InputError(f"tool {name}: '{parameter}' must be a parameter given by name")
    return taken


def _argument_model(
    name: str, parameters: Mapping[str, inspect.Parameter], described: Mapping[str, str]
) -> tuple[type[BaseModel], Mapping[str, JSON]]:
    """What validates the arguments, and the JSON schema of its object."""
    # Fields are numbered, and the parameter's name is the alias: a field may not be named like a
    # model's methods ("copy", "json"), a parameter may.
    fields = {
        f"field_{index}": (parameter.annotation, _field(parameter, described.get(parameter.name)))
        for index, parameter in enumerate(parameters.values())
    }
    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    build: Callable[..., type[BaseModel]] = create_model
    try:
        model = build(name, __config__=config, **fields)
        schema = plain_schema(model.model_json_schema())
    except PydanticUserError as error:
        raise InputError(
            f"tool {name}: a type hint has no JSON schema ({error.message}); use types that JSON "
            "can carry"
        ) from error
    return model, schema


def _field(parameter: inspect.Parameter, description: str | None) -> object:
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    return Field(default, alias=parameter.name, description=description)


def _read_docstring(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    text = inspect.getdoc(function)
    if not text:
        raise InputError(
            f"tool {function.__name__} has no docstring; write one, the agent reads it"
        )
    parts = _SECTION.split(text)
    described: dict[str, str] = {}
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        if title in ("Args", "Arguments"):
            described = _read_arguments(body)
    return " ".join(parts[0].split()), described


def _read_arguments(body: str) -> dict[str, str]:
    described: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(body).splitlines():
        match = _ARGUMENT.match(line)
        if match:
            name = match[1]
            described[name] = match[2].strip()
        elif name and line.strip():
            described[name] += " " + line.strip()
    return described
