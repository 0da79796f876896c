"""Tools: made from typed functions, described by their docstrings, run with checked arguments."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from reachgym.envs.errors import InputError, ToolError
from reachgym.envs.types import JSON, ToolCall, ToolResult, ToolSpec

_SECTION = re.compile(r"^\s*(Args|Arguments|Returns|Raises|Yields):\s*$", re.MULTILINE)
_ARGUMENT = re.compile(r"^(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can call.

    Attributes:
        spec: How the agent is told of it.
        run: Does it. A `ToolError` is shown to the agent; any other exception is taken for a
            failure of the infrastructure.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, JSON]], str]


def tool(function: Callable[..., object]) -> Tool:
    """Make a tool of a function, from its type hints and its Google-style docstring.

    Arguments are validated and coerced; what does not fit is told to the agent.

    Raises:
        InputError: A parameter has no type hint, or the function no docstring.
    """
    summary, described = _read_docstring(function)
    model = _argument_model(function, described)
    schema = model.model_json_schema()
    spec = ToolSpec(function.__name__, summary, {"type": "object", **_without_titles(schema)})

    def run(arguments: Mapping[str, JSON]) -> str:
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolError(_explain(spec, error)) from None
        values = {name: getattr(checked, name) for name in model.model_fields}
        return str(function(**values))

    return Tool(spec, run)


class Toolbox:
    """The tools that an environment offers, and the one way to call them."""

    def __init__(self, tools: Sequence[Tool], max_result_chars: int) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            names = sorted(tool.spec.name for tool in tools)
            raise InputError(f"every tool needs a name of its own; got {', '.join(names)}")
        self._max_result_chars = max_result_chars
        self.specs = tuple(tool.spec for tool in tools)

    def call(self, call: ToolCall) -> ToolResult:
        """Run one call; what the agent did wrong is an error result, not an exception."""
        started = time.perf_counter()
        try:
            content, error = self._run(call), False
        except ToolError as refusal:
            content, error = str(refusal), True
        content, truncated = _cut(content, self._max_result_chars)
        return ToolResult(call.id, content, error, truncated, time.perf_counter() - started)

    def _run(self, call: ToolCall) -> str:
        if call.parse_error is not None:
            raise ToolError(call.parse_error)
        if call.name not in self._tools:
            offered = ", ".join(self._tools) or "none"
            raise ToolError(f"there is no tool '{call.name}'; the tools are: {offered}")
        return self._tools[call.name].run(call.arguments)


def _cut(text: str, limit: int) -> tuple[str, bool]:
    if len(text) <= limit:
        return text, False
    note = f"\n[{len(text) - limit} characters left out]\n"
    kept = max(limit - len(note), 2)
    head = kept // 2
    return text[:head] + note + text[len(text) - (kept - head) :], True


def _argument_model(
    function: Callable[..., object], described: Mapping[str, str]
) -> type[BaseModel]:
    hints = inspect.get_annotations(function, eval_str=True)
    fields: dict[str, tuple[object, object]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise InputError(
                f"tool {function.__name__}: parameter '{name}' has no type hint; add one, as the "
                "agent's schema is made from it"
            )
        fields[name] = (hints[name], _field(parameter, described.get(name)))
    build: Callable[..., type[BaseModel]] = create_model
    return build(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def _field(parameter: inspect.Parameter, description: str | None) -> object:
    from pydantic import Field

    if parameter.default is inspect.Parameter.empty:
        return Field(description=description)
    return Field(parameter.default, description=description)


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


def _without_titles(schema: JSON) -> dict[str, JSON]:
    """Pydantic's schema less the titles, which only repeat the names."""

    def strip(value: JSON, *, names: bool = False) -> JSON:
        if isinstance(value, dict):
            return {
                key: strip(inner, names=key == "properties")
                for key, inner in value.items()
                if names or key != "title"
            }
        return [strip(item) for item in value] if isinstance(value, list) else value

    stripped = strip(schema)
    return stripped if isinstance(stripped, dict) else {}


def _explain(spec: ToolSpec, error: ValidationError) -> str:
    faults = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
    properties = spec.parameters.get("properties")
    names = ", ".join(properties) if isinstance(properties, dict) else ""
    return f"{spec.name} takes ({names}): {faults}"
