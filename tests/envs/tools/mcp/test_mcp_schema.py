"""Arguments checked against a server's JSON schema."""

from __future__ import annotations

import pytest

from reachgym.envs.errors import InfrastructureError, ToolError
from reachgym.envs.tools.mcp.schema import ArgumentSchema

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}, "required": ["v"]}


def schema(**properties) -> ArgumentSchema:
    return ArgumentSchema("t", {"type": "object", "properties": properties}, 1000)


@pytest.mark.parametrize(
    ("described", "given", "sent"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, 3.0, 3.0),
        ({"type": "boolean"}, "true", True),
        ({"type": ["string", "null"]}, "null", "null"),
        ({"type": "array", "items": {"type": "number"}}, '["1", 2.5]', [1, 2.5]),
        ({"type": "object"}, '{"a": "1"}', {"a": "1"}),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, "[1]", [1]),
    ],
)
def test_what_was_encoded_twice_is_decoded_and_nothing_else(described, given, sent):
    assert schema(a=described).check({"a": given}) == {"a": sent}


@pytest.mark.parametrize(
    ("described", "given", "told"),
    [
        ({"type": "integer"}, "x", """'a' should be integer, got "x\""""),
        ({"type": ["integer", "null"]}, [], "'a' should be integer or null, got []"),
        ({"enum": ["b", 1]}, "c", """'a' should be "b" or 1, got "c\""""),
        ({"const": 5}, 6, "'a' should be 5, got 6"),
        ({"anyOf": [{"type": "integer"}, {"const": "all"}]}, "x", 'integer or "all", got "x"'),
        ({"type": "string", "maxLength": 2}, "abc", "'a' is wrong ('abc' is too long)"),
        ({"type": "array", "maxItems": 1}, ["y" * 300, 1], "yyy..."),
        ({"type": "array", "items": {"type": "integer"}}, [1, "x"], "'a.1' should be integer"),
        ({"type": "object", "required": ["it's"]}, {}, "'a.it's' is missing"),
        ({"properties": {"b": {}}, "additionalProperties": False}, {"c": 1}, "there is no 'a.c'"),
        (NODE, {"next": {}}, "'a.v' is missing; 'a.next.v' is missing"),
        ({"type": "array", "items": {"type": "integer"}}, ["x"] * 50, "and 45 more faults"),
    ],
)
def test_what_does_not_fit_is_told(described, given, told):
    whole = {"type": "object", "properties": {"a": described}, "$defs": {"N": NODE}}
    with pytest.raises(ToolError) as caught:
        ArgumentSchema("t", whole, 1000).check({"a": given})
    assert "t takes (a). " in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_schema_that_is_none_is_the_servers_fault():
    with pytest.raises(InfrastructureError, match="no JSON Schema"):
        schema(a={"type": "nothing"})


def test_nothing_is_fetched_for_a_schema():
    with pytest.raises(InfrastructureError, match="refers to what it does not hold"):
        schema(a={"$ref": "https://schemas.example/a.json"}).check({"a": 1})
