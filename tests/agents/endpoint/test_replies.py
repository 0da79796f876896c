"""What a reply becomes: messages, calls, the reason of the end; whole and in pieces."""

from __future__ import annotations

import json

import pytest
from loopback import call_entry, completion, delta, events, http, said, streamed

from reachgym.agents.endpoint.events import EventReader
from reachgym.agents.protocol import Completion, Conversation, Exchange, FinishReason, Limits
from reachgym.envs.errors import EndpointRefusedError, EndpointReplyError
from reachgym.envs.types import Message, ToolCall


def whole(message: dict, finish: str = "stop", **more):
    answer = http(200, completion(message, finish, **more), content_type="application/json")
    return lambda call: [answer]


def test_a_text_is_a_finished_turn(serve, turn):
    done = turn(serve(whole({"content": "42"})))
    assert done.message == Message("assistant", "42")
    assert done.finish is FinishReason.STOP
    assert done.seconds > 0


def test_calls_are_parsed_and_their_null_content_is_no_text(serve, turn):
    calls = [call_entry("search", '{"query": "x"}', "abc"), call_entry("now", "", "abd")]
    done = turn(serve(whole({"content": None, "tool_calls": calls}, "tool_calls")))
    assert done.message.content == ""
    assert done.message.tool_calls == (
        ToolCall("abc", "search", {"query": "x"}),
        ToolCall("abd", "now"),
    )
    assert done.finish is FinishReason.STOP


@pytest.mark.parametrize(
    "arguments", ['{"query": ', "[1]", '"text"', '{"x": NaN}', '{"x": "\\ud800"}', "[" * 100_000]
)
def test_malformed_arguments_are_told_to_the_agent(serve, turn, arguments):
    calls = [call_entry("search", arguments)]
    done = turn(serve(whole({"content": None, "tool_calls": calls}, "tool_calls")))
    (call,) = done.message.tool_calls
    assert call.name == "search"
    assert call.arguments == {}
    assert "arguments are not" in call.parse_error


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning_content": "1 + 1"},
        {"reasoning": "1 + 1"},
        {"reasoning": "1 + 1", "reasoning_content": "1 + 1"},
        {"reasoning": "1 + 1", "reasoning_content": None},
    ],
)
def test_reasoning_is_kept_beside_the_content_under_either_name(serve, turn, told):
    done = turn(serve(whole({"content": "2"} | told)))
    assert done.message == Message("assistant", "2", reasoning="1 + 1")
    assert done.action == Message("assistant", "2")
    pieces = [{name: text and text[i] for name, text in told.items()} for i in range(5)]
    streaming = serve(
        lambda call: events(*(delta(**piece) for piece in pieces), delta("stop", content="2"))
    )
    assert turn(streaming, stream=True).message == done.message


def test_reasoning_of_an_unknown_form_costs_no_turn(serve, turn):
    done = turn(serve(whole({"content": "2", "reasoning": {"steps": []}})))
    assert done.message == Message("assistant", "2")


def test_arguments_that_came_as_an_object_and_a_call_without_a_name(serve, turn):
    odd = {"id": "a", "function": {"name": "search", "arguments": {"query": "é"}}}
    nameless = {"id": "b", "function": {"arguments": "{}"}}
    done = turn(serve(whole({"tool_calls": [odd, nameless]}, "tool_calls")))
    first, second = done.message.tool_calls
    assert first.arguments == {"query": "é"}
    assert "no name" in second.parse_error


def test_ids_that_are_missing_or_taken_are_replaced(serve, turn, ask):
    asked = Message("assistant", "", (ToolCall("taken", "search"),))
    replies = (Message("tool", "r", tool_call_id="taken"),)
    conversation = Conversation((Message("user", "q"),), (Exchange(Completion(asked), replies),))
    calls = [call_entry("s", "{}", call_id) for call_id in ("taken", "", "free", "free")]
    done = turn(serve(whole({"tool_calls": calls}, "tool_calls")), ask(conversation))
    assert [call.id for call in done.message.tool_calls] == [
        "call00100",
        "call00101",
        "free",
        "call00103",
    ]


def test_a_refusal_is_what_the_model_said(serve, turn):
    done = turn(serve(whole({"content": None, "refusal": "I will not."})))
    assert done.message.content == "I will not."
    assert done.finish is FinishReason.STOP


def test_what_stands_beside_the_message_in_an_unknown_form_costs_no_turn(serve, turn):
    odd = {"logprobs": {"content": [{"logprob": None}]}, "token_ids": "7 8"}
    server = serve(whole({"content": "42"}, choice=odd, usage={"completion_tokens": "many"}))
    done = turn(server)
    assert done.message.content == "42"
    assert done.sampled_ids == ()


def test_parts_of_a_content_are_joined(serve, turn):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert turn(serve(whole({"content": parts}))).message.content == "ab"


@pytest.mark.parametrize(
    ("limits", "sampled", "finish"),
    [
        (Limits(action_tokens=3), 3, FinishReason.ACTION_TOKENS),
        (Limits(), None, FinishReason.CONTEXT_TOKENS),
        (Limits(action_tokens=9), 3, FinishReason.CONTEXT_TOKENS),
        (Limits(), 3, FinishReason.CONTEXT_TOKENS),
        (Limits(action_tokens=9, context_tokens=3), 3, FinishReason.CONTEXT_TOKENS),
    ],
)
def test_a_cut_reply_says_which_limit_cut_it(serve, turn, ask, limits, sampled, finish):
    usage = {} if sampled is None else {"prompt_tokens": 7, "completion_tokens": sampled}
    server = serve(whole({"content": "so"}, "length", usage=usage))
    assert turn(server, ask(limits=limits)).finish is finish


def test_a_turn_that_may_spend_nothing_is_not_asked_for(serve, turn, ask):
    server = serve(whole({"content": "so"}))
    assert turn(server, ask(limits=Limits(0, 9))).finish is FinishReason.ACTION_TOKENS
    assert turn(server, ask(limits=Limits(9, 0))).finish is FinishReason.CONTEXT_TOKENS
    assert server.calls == []


def test_what_a_filter_cut_is_no_turn(serve, turn):
    server = serve(whole({"content": "so"}, "content_filter"))
    error = turn(server)
    assert isinstance(error, EndpointRefusedError)
    assert "filter" in str(error)
    assert len(server.calls) == 1


def test_a_reply_that_the_server_broke_off_is_asked_for_again(serve, turn):
    ends = ["abort", "stop"]
    server = serve(lambda call: whole({"content": "42"}, ends[call.number])(call))
    assert turn(server).message.content == "42"


def test_a_conversation_that_outgrows_the_context_ends_there(serve, turn, ask):
    error = {"error": {"message": "maximum context length is 9 tokens", "type": "invalid"}}
    server = serve(lambda call: [http(400, error)])
    done = turn(server, ask(limits=Limits(action_tokens=5)))
    assert done.finish is FinishReason.CONTEXT_TOKENS
    assert done.message == Message("assistant")
    # Once with a bound that might be what is too long, and once without.
    assert ["max_tokens" in call.body for call in server.calls] == [True, False]


def test_a_bound_that_is_too_large_for_the_context_is_left_out(serve, turn, ask):
    def script(call):
        if "max_tokens" in call.body:
            return [http(400, {"message": "max_tokens is too large: 99. Context is 64 tokens"})]
        return [said("cut", "length")]

    done = turn(serve(script), ask(limits=Limits(action_tokens=99)))
    assert done.message.content == "cut"
    assert done.finish is FinishReason.CONTEXT_TOKENS


def test_without_a_bound_more_may_be_sampled_than_was_left_and_is_no_turn(serve, turn, ask):
    def script(call):
        bad = {"message": "This model's maximum context length is 64 tokens"}
        return [http(400, bad)] if "max_tokens" in call.body else [said("long")]

    done = turn(serve(script), ask(limits=Limits(action_tokens=2)))
    assert done.finish is FinishReason.ACTION_TOKENS


def test_a_stream_is_put_together(serve, turn):
    done = turn(serve(lambda call: streamed("one two three é")), stream=True)
    assert done.message.content == "one two three é"
    assert done.finish is FinishReason.STOP


def test_calls_come_in_pieces(serve, turn):
    def piece(index, arguments, **first):
        return delta(tool_calls=[{"index": index, "function": {"arguments": arguments}} | first])

    pieces = [
        delta(role="assistant", content=None),
        piece(0, "", id="a", function={"name": "search", "arguments": ""}),
        piece(0, '{"que'),
        piece(1, "", id="b", function={"name": "now", "arguments": "{}"}),
        piece(0, 'ry": 1}'),
        delta("tool_calls"),
    ]
    done = turn(serve(lambda call: events(*pieces)), stream=True)
    assert done.message.tool_calls == (ToolCall("a", "search", {"query": 1}), ToolCall("b", "now"))


def test_calls_without_numbers_follow_one_another(serve, turn):
    pieces = [
        delta(tool_calls=[call_entry("f", '{"a": 1}', "x")]),
        delta(tool_calls=[call_entry("g", "", "y")]),
        delta(tool_calls=[{"function": {"arguments": '{"b": 2}'}}]),
        delta("tool_calls"),
    ]
    done = turn(serve(lambda call: events(*pieces)), stream=True)
    assert done.message.tool_calls == (ToolCall("x", "f", {"a": 1}), ToolCall("y", "g", {"b": 2}))


def test_a_server_that_does_not_stream_may_answer_whole(serve, turn):
    assert turn(serve(whole({"content": "42"})), stream=True).message.content == "42"


def test_an_error_in_the_middle_of_a_stream_is_retried(serve, turn):
    def script(call):
        if call.number == 0:
            return events(delta(content="on"), {"error": {"message": "out of memory"}})
        return streamed("fine")

    assert turn(serve(script), stream=True).message.content == "fine"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_are_found_however_they_are_cut(size):
    text = 'data: {"a":1}\r\n\r\n: keep-alive\n\nevent: x\ndata:b\ndata: c\n\ndata: é\n'.encode()
    reader = EventReader()
    found = [data for i in range(0, len(text), size) for data in reader.feed(text[i : i + size])]
    assert [data.decode() for data in [*found, *reader.close()]] == ['{"a":1}', "b\nc", "é"]


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        '{"choices": "x"}',
        '{"choices": []}',
        json.dumps({"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}),
        json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": None}]}),
    ],
)
def test_what_is_no_completion_is_asked_for_again_and_then_fails(serve, turn, body):
    server = serve(lambda call: [http(200, body, content_type="application/json")])
    error = turn(server)
    assert isinstance(error, EndpointReplyError)
    assert "no chat completion" in str(error)
    assert len(server.calls) == 3
