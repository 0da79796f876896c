"""Tools from typed functions: schemas, checked arguments, results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial, reduce
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from reachgym.envs import ListTaskset, Message, Task, Tool, ToolCall, ToolEnv, ToolSpec, tool
from reachgym.envs.errors import InputError, ToolError
from reachgym.envs.tools.base import Toolbox, UnboundTool
from reachgym.envs.workspace import Workspace


class Point(BaseModel):
    x: int
    title: str = "here"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Pair:
    left: int
    right: float = 0.5


class Row(TypedDict):
    key: str
    points: list[Point]


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Opaque:
    """Nothing that JSON can carry."""


@tool
def plot(points: list[Point], colour: Literal["red", "blue"] = "red", copy: int = 1) -> str:
    """Draw points
    on paper.

    More of it.

    Args:
        points (list of points): Where: a
            list of places.
        colour: Their colour.

    Returns:
        Nothing to speak of.
    """
    return repr((points, colour, copy))


@tool
def add(a: int, b: int = 2) -> int:
    """Add numbers."""
    return a + b


@tool
def nothing() -> str:
    """Do nothing."""
    return "done"


def call(tool: Tool, arguments, limit: int = 4000):
    return Toolbox([tool], limit).call(ToolCall("c0", tool.spec.name, arguments))


def test_the_description_is_the_docstring_before_its_sections():
    assert plot.spec.name == "plot"
    assert plot.spec.description == "Draw points on paper. More of it."


def test_the_schema_has_types_descriptions_defaults_and_what_is_required():
    assert plot.spec.parameters == {
        "type": "object",
        "properties": {
            "points": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "x": {"type": "integer"},
                        "title": {"type": "string", "default": "here"},
                    },
                    "required": ["x"],
                },
                "description": "Where: a list of places.",
            },
            "colour": {
                "type": "string",
                "enum": ["red", "blue"],
                "default": "red",
                "description": "Their colour.",
            },
            "copy": {"type": "integer", "default": 1},
        },
        "required": ["points"],
        "additionalProperties": False,
    }


def test_a_tool_without_parameters_has_an_empty_schema():
    assert nothing.spec.parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert call(nothing, {}).content == "done"


def test_arguments_are_coerced_and_defaults_filled_in():
    assert call(add, {"a": "40"}).content == "42"
    result = call(plot, {"points": [{"x": 1}], "colour": "blue"})
    assert result.content == "([Point(x=1, title='here')], 'blue', 1)"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "add takes (a, b). 'a' is missing"),
        ({"a": "x"}, """'a' should be a valid integer, got "x\""""),
        ({"a": None}, "got null"),
        (
            {"a": reduce(lambda inside, _: [inside], range(5000), 1)},
            "'a' should be a valid integer",
        ),
        ({"a": "[" * 100_000}, "'a' should be a valid integer"),
        ({"a": 1, "c": 2}, "there is no 'c'"),
        ({"b": 1, "c": 2}, "'a' is missing; there is no 'c'"),
        ({"a": "y" * 500}, "y..."),
        ([1, 2], "takes its arguments as an object; got [1, 2]"),
    ],
)
def test_what_does_not_fit_is_told_to_the_agent(arguments, told):
    result = call(add, arguments)
    assert result.error
    assert told in result.content
    assert len(result.content) < 300


def test_a_fault_inside_an_argument_says_where():
    assert "'points.1.x' is missing" in call(plot, {"points": [{"x": 1}, {}]}).content


POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "title": {"type": "string", "default": "here"}},
    "required": ["x"],
}
PAIR = {
    "type": "object",
    "properties": {"left": {"type": "integer"}, "right": {"type": "number", "default": 0.5}},
    "required": ["left"],
    "additionalProperties": False,
}
ROW = {
    "type": "object",
    "properties": {"key": {"type": "string"}, "points": {"type": "array", "items": POINT}},
    "required": ["key", "points"],
    "additionalProperties": False,
}
NULL = {"type": "null"}


def taking(hint: object) -> Tool:
    def take(value):
        """Take a value."""
        return repr(value)

    take.__annotations__ = {"value": hint}
    return tool(take)


@pytest.mark.parametrize(
    ("hint", "schema", "given", "taken"),
    [
        (int, {"type": "integer"}, "3", "3"),
        (int, {"type": "integer"}, 3.0, "3"),
        (float, {"type": "number"}, "2.5", "2.5"),
        (bool, {"type": "boolean"}, "true", "True"),
        (str, {"type": "string"}, 5, "'5'"),
        (Any, {}, {"a": [1]}, "{'a': [1]}"),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, '"a"', "'a'"),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}, "1", "1"),
        (Colour, {"type": "string", "enum": ["red", "blue"]}, "red", "<Colour.RED: 'red'>"),
        (int | None, {"anyOf": [{"type": "integer"}, NULL]}, "null", "None"),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "3", "'3'"),
        (list[int], {"type": "array", "items": {"type": "integer"}}, "[1, 2.0]", "[1, 2]"),
        (list[int], {"type": "array", "items": {"type": "integer"}}, ["1", 2], "[1, 2]"),
        (dict, {"type": "object", "additionalProperties": True}, '{"a": 1}', "{'a': 1}"),
        (
            dict[str, int],
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"a": "1"},
            "{'a': 1}",
        ),
        (Annotated[int, Field(ge=1)], {"type": "integer", "minimum": 1}, "1", "1"),
        (Point, POINT, '{"x": "1"}', "Point(x=1, title='here')"),
        (Pair, PAIR, {"left": 1}, "Pair(left=1, right=0.5)"),
        (Row, ROW, {"key": "k", "points": '["{\\"x\\": 1}"]'}, "{'key': 'k', 'points': [Point("),
        (list[Pair] | None, {"anyOf": [{"type": "array", "items": PAIR}, NULL]}, "null", "None"),
    ],
)
def test_a_hint_says_what_the_agent_is_told_and_what_is_made_of_what_it_gives(
    hint, schema, given, taken
):
    take = taking(hint)
    assert take.spec.parameters["properties"] == {"value": schema}
    assert "$defs" not in take.spec.parameters
    assert call(take, {"value": given}).content.startswith(taken)


def test_only_what_contains_itself_stays_a_definition():
    parameters = taking(dict[str, Node]).spec.parameters
    assert parameters["properties"]["value"]["additionalProperties"] == {"$ref": "#/$defs/Node"}
    assert list(parameters["$defs"]) == ["Node"]


@pytest.mark.parametrize(
    ("hint", "given", "told"),
    [
        (int, 3.5, "'value' should be a valid integer, got 3.5"),
        (int, True, None),
        (bool, "maybe", "'value' should be true or false, got \"maybe\""),
        (str, ["a"], "'value' should be a valid string, got [\"a\"]"),
        (Literal["a", "b"], "c", "'value' should be 'a' or 'b', got \"c\""),
        (int | str, [1], "'value' should be a valid integer or a valid string, got [1]"),
        (list[int], "1, 2", "'value' should be an array, got \"1, 2\""),
        (list[int], ["x", 1, "y"], "'value.0' should be a valid integer, got \"x\"; 'value.2'"),
        (list[int], ["x"] * 50, "and 45 more faults"),
        (tuple[int, str], [1], "'value.1' is missing"),
        (Annotated[int, Field(ge=1)], 0, "'value' should be greater than or equal to 1, got 0"),
        (Annotated[str, Field(max_length=1)], "ab", "is wrong (String should have at most 1"),
        (Point, [1], "'value' should be an object, got [1]"),
        (Pair, {"left": 1, "up": 2}, "there is no 'value.up'"),
        (Node, {"value": 1, "children": [{}]}, "'value.children.0.value' is missing"),
        (Pair | list[Pair], {"right": 1}, "'value.left' is missing"),
    ],
)
def test_what_does_not_fit_a_hint_is_told_in_words_of_json(hint, given, told):
    result = call(taking(hint), {"value": given})
    assert result.error is (told is not None)
    assert (told or "") in result.content


def test_a_tool_error_is_an_error_result_and_anything_else_is_raised():
    def refuse(arguments):
        raise ToolError("not today")

    def crash(arguments):
        raise OSError("gone")

    spec = ToolSpec("t", "T", {"type": "object", "properties": {}})
    result = call(Tool(spec, refuse), {})
    assert (result.call_id, result.content, result.error) == ("c0", "not today", True)
    with pytest.raises(OSError, match="gone"):
        call(Tool(spec, crash), {})


def test_an_unknown_tool_is_answered_with_those_that_there_are():
    box = Toolbox([add, nothing], 4000)
    result = box.call(ToolCall("c", "ad", {}))
    assert (result.error, result.content) == (
        True,
        "there is no tool 'ad'; the tools are: add, nothing",
    )
    assert "are: none" in Toolbox([], 4000).call(ToolCall("c", "ad", {})).content


def test_a_parse_error_is_told_and_nothing_is_run():
    result = Toolbox([nothing], 4000).call(ToolCall("c", "nothing", parse_error="no brace"))
    assert (result.content, result.error) == ("no brace", True)


@pytest.mark.parametrize(("length", "cut"), [(0, False), (100, False), (101, True), (10**6, True)])
def test_results_past_the_limit_are_cut_in_their_middle(length, cut):
    @tool
    def write(length: int) -> str:
        """Write a row of letters."""
        return "a" * (length // 2) + "z" * (length - length // 2)

    result = call(write, {"length": length}, limit=100)
    assert result.truncated is cut
    assert len(result.content) == min(length, 100)
    if cut:
        assert f"cut from {length} characters" in result.content
        assert result.content[:20] + result.content[-20:] == "a" * 20 + "z" * 20


def test_errors_are_cut_as_well():
    def refuse(arguments):
        raise ToolError("no " * 1000)

    spec = ToolSpec("t", "T", {"type": "object", "properties": {}})
    result = call(Tool(spec, refuse), {}, limit=100)
    assert (result.error, result.truncated, len(result.content)) == (True, True, 100)


def test_lone_surrogates_become_question_marks():
    @tool
    def repeat(text: str) -> str:
        """Say it again."""
        raise ToolError("é\ud800")

    assert call(repeat, {"text": "a"}).content == "é?"


def test_seconds_are_measured():
    assert 0 < call(add, {"a": 1}).seconds < 1


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InputError, match="name of its own; got add, add"):
        Toolbox([add, add], 4000)


def test_a_limit_without_room_for_the_note_is_refused():
    with pytest.raises(InputError, match="at least 64; got 10"):
        Toolbox([], 10)


def undocumented(a: int) -> int:
    return a


def unhinted(a) -> int:
    """Lack a hint."""
    return a


def variadic(*a: int) -> int:
    """Take many."""
    return len(a)


def positional(a: int, /) -> int:
    """Take one by place."""
    return a


def misdescribed(query: str) -> str:
    """Search.

    Args:
        qeury: What to look for.
    """
    return query


def opaque(a: Opaque) -> str:
    """Take what JSON cannot carry."""
    return str(a)


def misnamed(a: int) -> int:
    """Have a name that no endpoint takes."""
    return a


misnamed.__name__ = "größe"


async def awaited(a: int) -> int:
    """Be awaited."""
    return a


def yielding(a: int):
    """Yield."""
    yield a


def late_workspace(a: int, workspace: Workspace) -> int:
    """Take the workspace late."""
    return a


def two_workspaces(workspace: Workspace, other: Workspace) -> int:
    """Take it twice."""
    return 2


def named_workspace(*, workspace: Workspace) -> int:
    """Take it by name."""
    return 2


def unresolvable(a: Nowhere) -> str:  # noqa: F821 - the fault that is tested
    """Take something unknown."""
    return str(a)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (undocumented, "undocumented has no docstring"),
        (unhinted, "'a' has no type hint"),
        (variadic, "by name"),
        (positional, "by name"),
        (misdescribed, r"describes 'qeury'; the parameters are \(query\)"),
        (opaque, "no JSON schema"),
        (unresolvable, "'Nowhere' is not defined"),
        (misnamed, "ASCII letters.*got 'größe'"),
        (awaited, "awaited is async.*plain function"),
        (yielding, "yielding yields.*return it instead"),
        (late_workspace, "must be the first parameter, and the only one; got it as 'workspace'"),
        (two_workspaces, "must be the first parameter, and the only one; got it as 'other'"),
        (named_workspace, "must be the first parameter"),
        (partial(max, 1), "made of a function or a method; got functools.partial"),
    ],
)
def test_a_function_that_makes_no_tool_is_refused(function, told):
    with pytest.raises(InputError, match=told):
        tool(function)


@tool
def count(workspace: Workspace, step: int = 1) -> str:
    """Count on.

    Args:
        workspace: Where the count is kept.
        step: How far.
    """
    kept = workspace.state.get("count", 0)
    workspace.state["count"] = kept + step
    return f"{workspace.task.id}: {kept + step}"


def test_a_tool_informs_unless_it_says_that_it_only_computes():
    @tool(informs=False)
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    @tool(informs=False)
    def where(workspace: Workspace) -> str:
        """Say nothing."""
        return ""

    assert (add.informs, double.informs) == (True, False)
    assert (count(Workspace()).informs, where(Workspace()).informs) == (True, False)
    assert call(double, {"number": 4}).content == "8"


def test_the_workspace_is_no_part_of_what_the_agent_is_told():
    assert isinstance(count, UnboundTool)
    assert count.spec.name == "count"
    assert count(Workspace()).spec == count.spec
    assert count.spec.parameters["properties"] == {
        "step": {"type": "integer", "default": 1, "description": "How far."}
    }
    assert "(step). there is no 'workspace'" in call(count(Workspace()), {"workspace": 1}).content


def test_each_environment_gives_its_own_workspace_and_each_episode_begins_with_an_empty_state():
    envs = [ToolEnv(ListTaskset([Task(name, "p", "g")]), tools=[count]) for name in "ab"]
    step = Message("assistant", tool_calls=(ToolCall("c", "count", {"step": 2}),) * 2)
    told = []
    for env in (*envs, envs[0]):
        env.reset()
        told += [reply.content for reply in env.step(step)[0]]
    assert told == ["a: 2", "a: 4", "b: 2", "b: 4", "a: 2", "a: 4"]


def test_an_episode_goes_on_from_a_snapshot_with_the_state_of_its_moment():
    env = ToolEnv(ListTaskset([Task("t", "p", "g")]), tools=[count])
    step = Message("assistant", tool_calls=(ToolCall("c", "count", {}),))
    env.reset()
    env.step(step)
    snapshot = env.snapshot()
    ahead = [env.step(step)[0][0].content for _ in range(3)]
    env.restore(snapshot)
    assert [env.step(step)[0][0].content for _ in range(3)] == ahead == ["t: 2", "t: 3", "t: 4"]
