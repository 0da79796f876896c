"""Hermes-style calls, well-formed and not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachgym.agents.renderers.hermes import parse_hermes
from reachgym.envs.types import Message, ToolCall


def only_call(text):
    (call,) = parse_hermes(f"<tool_call>{text}</tool_call>", 3).tool_calls
    return call


def test_calls_become_tool_calls_and_the_text_around_them_stays():
    text = (
        'I look.\n<tool_call>\n{"name": "search", "arguments": {"query": "é"}}\n</tool_call>\n'
        '<tool_call>{"name": "now"}</tool_call>'
    )
    assert parse_hermes(text, 2) == Message(
        "assistant",
        "I look.",
        (ToolCall("call_2_0", "search", {"query": "é"}), ToolCall("call_2_1", "now", {})),
    )


def test_thoughts_stay_in_the_content_and_calls_inside_them_are_not_run():
    text = '<think>try <tool_call>{"name": "rm"}</tool_call>?</think>\nno'
    assert parse_hermes(text, 0) == Message("assistant", text)


def test_arguments_written_as_a_string_of_json_are_read():
    assert only_call('{"name": "f", "arguments": "{\\"a\\": 1}"}').arguments == {"a": 1}


def test_a_last_call_that_is_not_closed_is_read_all_the_same():
    (call,) = parse_hermes('<tool_call>{"name": "f", "arguments": {}}', 0).tool_calls
    assert (call.name, call.parse_error) == ("f", None)


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        ('{"name": "f", ', "", "not valid JSON"),
        ("[1]", "", "not a JSON object"),
        ('{"arguments": {}}', "", "no name"),
        ('{"name": 3}', "", "no name"),
        ('{"name": "f", "arguments": [1]}', "f", "not a JSON object"),
        ('{"name": "f", "arguments": "{"}', "f", "not valid JSON"),
        ('{"name": "f", "arguments": {"x": NaN}}', "", "NaN is not JSON"),
        ('{"name": "f", "arguments": {"x": "\\ud800"}}', "", "surrogates"),
        ("[" * 100_000, "", "not valid JSON"),
        ('{"name": "f", "arguments": {"x": ' + "9" * 5000 + "}}", "", "not valid JSON"),
    ],
)
def test_a_malformed_call_is_a_parse_error_with_advice(text, name, complaint):
    call = only_call(text)
    assert (call.id, call.name, dict(call.arguments)) == ("call_3_0", name, {})
    assert complaint in call.parse_error
    assert "write <tool_call>" in call.parse_error


PIECES = [*'<>{}":,ab1 ', '{"name":', "<tool_call>", "</tool_call>", "</think>"]


@given(st.lists(st.sampled_from(PIECES)))
def test_no_text_makes_the_parser_raise(pieces):
    assert parse_hermes("".join(pieces), 0).role == "assistant"
