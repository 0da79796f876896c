"""Tools: made from typed functions, described by their docstrings, run with checked arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Concatenate, ParamSpec, Protocol, TypeAlias, overload

from reachgym.envs.errors import InputError, ToolError
from reachgym.envs.tools.arguments import check_arguments
from reachgym.envs.tools.signature import Signature, read_signature
from reachgym.envs.types import JSON, ToolCall, ToolResult, ToolSpec
from reachgym.envs.workspace import Workspace

_P = ParamSpec("_P")
_LEAST_RESULT_CHARS = 64


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


# A tool that needs the episode is made for one environment, and works in that one's workspace.
WorkspaceTool: TypeAlias = Callable[[Workspace], Tool]


@dataclass(frozen=True, slots=True)
class UnboundTool:
    """A tool whose function takes the workspace; an environment binds it to its own.

    Attributes:
        spec: How the agent is told of it.
        run: As a tool's, in a workspace.
        informs: As a tool's.
    """

    spec: ToolSpec
    run: Callable[[Workspace, Mapping[str, JSON]], str]
    informs: bool = True

    def __call__(self, workspace: Workspace) -> Tool:
        """The tool in one environment's workspace."""
        return Tool(self.spec, partial(self.run, workspace), self.informs)


class ToolDecorator(Protocol):
    """What `tool(informs=...)` gives: makes a tool of a function."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Workspace, _P], object], /
    ) -> UnboundTool: ...

    @overload
    def __call__(self, function: Callable[..., object], /) -> Tool: ...


@overload
def tool(
    function: Callable[Concatenate[Workspace, _P], object], /, *, informs: bool = True
) -> UnboundTool: ...


@overload
def tool(function: Callable[..., object], /, *, informs: bool = True) -> Tool: ...


@overload
def tool(*, informs: bool = True) -> ToolDecorator: ...


def tool(
    function: Callable[..., object] | None = None, /, *, informs: bool = True
) -> Tool | UnboundTool | Callable[[Callable[..., object]], Tool | UnboundTool]:
    """Make a tool of a function, from its type hints and its Google-style docstring.

    The first part of the docstring describes the tool, its `Args:` the parameters; a parameter
    with a default is optional. Arguments are validated and coerced, as pydantic does it; what does
    not fit is told to the agent. The result is what the function returns, as `str` writes it.

    A function whose first parameter is annotated `Workspace` is given the environment's: its
    `task`, its `state` and its sandbox. The agent is not told of that parameter.

    Args:
        function: What to make a tool of; left out in `@tool(informs=False)`.
        informs: Whether what it returns may hold the task's information.

    Raises:
        InputError: A parameter has no type hint or cannot be given by name, the docstring is
            missing or describes a parameter that there is not, a hint has no JSON schema, or the
            function is async or a generator.
    """
    return partial(_make, informs) if function is None else _make(informs, function)


def _make(informs: bool, function: Callable[..., object]) -> Tool | UnboundTool:
    signature = read_signature(function)
    if signature.takes_workspace:
        return UnboundTool(signature.spec, partial(_run_in, function, signature), informs)
    return Tool(signature.spec, partial(_run, function, signature), informs)


def _run(
    function: Callable[..., object], signature: Signature, arguments: Mapping[str, JSON]
) -> str:
    return str(function(**check_arguments(signature, arguments)))


def _run_in(
    function: Callable[..., object],
    signature: Signature,
    workspace: Workspace,
    arguments: Mapping[str, JSON],
) -> str:
    return str(function(workspace, **check_arguments(signature, arguments)))


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
