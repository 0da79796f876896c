"""Tools: made from typed functions, described by their docstrings, run with checked arguments."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic_core import ErrorDetails

from reachgym.envs.errors import InputError, ToolError
from reachgym.envs.types import JSON, ToolCall, ToolResult, ToolSpec
from reachgym.envs.workspace import Workspace

_SECTION = re.compile(r"^\s*(Args|Arguments|Returns|Raises|Yields):\s*$", re.MULTILINE)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_LEAST_RESULT_CHARS = 64
_LONGEST_QUOTE = 80
_ARGUMENT = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can call.

    Attributes:
        spec: How the agent is told of it.
        run: Does it. A `ToolError` is shown to the agent; any other exception is taken for a
            failure of the infrastructure.
        informs: Whether what it returns may hold the task's information; a tool that only computes
            from its arguments does not inform.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, JSON]], str]
    informs: bool = True


# A tool that runs code is made for one environment, and runs it in that one's workspace.
WorkspaceTool: TypeAlias = Callable[[Workspace], Tool]


def tool(function: Callable[..., object]) -> Tool:
    """Make a tool of a function, from its type hints and its Google-style docstring.

    The first part of the docstring describes the tool, its `Args:` the parameters; a parameter
    with a default is optional. Arguments are validated and coerced, as pydantic does it; what does
    not fit is told to the agent. The result is what the function returns, as `str` writes it.

    Raises:
        InputError: A parameter has no type hint or cannot be given by name, the docstring is
            missing or describes a parameter that there is not, or a hint has no JSON schema.
    """
    summary, described = _read_docstring(function)
    parameters = _read_parameters(function, described)
    model, schema = _argument_model(function, parameters, described)
    spec = ToolSpec(function.__name__, summary, schema)
    names = tuple(parameters)

    def run(arguments: Mapping[str, JSON]) -> str:
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolError(_explain(spec, error)) from None
        values = dict(zip(names, (value for _, value in checked), strict=True))
        return str(function(**values))

    return Tool(spec, run)


class Toolbox:
    """The tools that an environment offers, and the one way to call them."""

    def __init__(self, tools: Sequence[Tool], max_result_chars: int) -> None:
        """A box of tools.

        Args:
            tools: What is offered, in the order in which the agent is told of it.
            max_result_chars: Longer results are cut in their middle, and say so.

        Raises:
            InputError: Two tools share a name, or a cut result would have no room for its note.
        """
        if max_result_chars < _LEAST_RESULT_CHARS:
            raise InputError(
                f"max_result_chars must be at least {_LEAST_RESULT_CHARS}; got {max_result_chars}"
            )
        self._tools = {tool.spec.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            names = sorted(tool.spec.name for tool in tools)
            raise InputError(f"every tool needs a name of its own; got {', '.join(names)}")
        self._max_result_chars = max_result_chars
        self.specs = tuple(tool.spec for tool in tools)

    def call(self, call: ToolCall) -> ToolResult:
        """Run one call; what the agent did wrong is an error result.

        Raises:
            Exception: Whatever else the tool raises; it is no fault of the agent's.
        """
        started = time.perf_counter()
        try:
            content, error = self._run(call), False
        except ToolError as refusal:
            content, error = str(refusal), True
        content, truncated = _cut(_encodable(content), self._max_result_chars)
        return ToolResult(call.id, content, error, truncated, time.perf_counter() - started)

    def _run(self, call: ToolCall) -> str:
        if call.parse_error is not None:
            raise ToolError(call.parse_error)
        if call.name not in self._tools:
            offered = ", ".join(self._tools) or "none"
            raise ToolError(f"there is no tool '{call.name}'; the tools are: {offered}")
        if not isinstance(call.arguments, Mapping):
            raise ToolError(f"{call.name} takes its arguments as an object; got {call.arguments!r}")
        return self._tools[call.name].run(call.arguments)


def _encodable(text: str) -> str:
    """The text without lone surrogates, which JSON can escape and no tokenizer or store takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _cut(text: str, limit: int) -> tuple[str, bool]:
    if len(text) <= limit:
        return text, False
    note = f"\n[... cut from {len(text)} characters ...]\n"
    tail = (limit - len(note)) // 2
    head = limit - len(note) - tail
    return text[:head] + note + text[len(text) - tail :], True


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
        if parameter.kind not in _BY_NAME:
            raise InputError(f"tool {name}: '{parameter}' must be a parameter given by name")
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


def _argument_model(
    function: Callable[..., object],
    parameters: Mapping[str, inspect.Parameter],
    described: Mapping[str, str],
) -> tuple[type[BaseModel], Mapping[str, JSON]]:
    """What validates the arguments, and the JSON schema of its object."""
    # Fields are numbered, and the parameter's name is the alias: a field may not be named like a
    # model's methods ("copy", "json"), a parameter may.
    fields = {
        f"field_{index}": (parameter.annotation, _field(parameter, described.get(name)))
        for index, (name, parameter) in enumerate(parameters.items())
    }
    build: Callable[..., type[BaseModel]] = create_model
    try:
        model = build(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
        schema = _without_titles(model.model_json_schema())
    except PydanticUserError as error:
        raise InputError(
            f"tool {function.__name__}: a type hint has no JSON schema ({error.message}); use "
            "types that JSON can carry"
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


def _without_titles(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """Pydantic's schema less the titles, which only repeat the names."""
    stripped: dict[str, JSON] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            stripped[key] = {name: _strip(inner) for name, inner in value.items()}
        elif key == "default":
            stripped[key] = value
        elif key != "title":
            stripped[key] = _strip(value)
    return stripped


def _strip(value: JSON) -> JSON:
    if isinstance(value, dict):
        return _without_titles(value)
    return [_strip(item) for item in value] if isinstance(value, list) else value


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
