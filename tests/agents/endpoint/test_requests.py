"""What a request says: the conversation on the wire, the limits, the seed and the distribution."""

from __future__ import annotations

import json

import pytest
from loopback import said

from reachgym.agents.endpoint.dialects import Server
from reachgym.agents.endpoint.requests import RequestWriter
from reachgym.agents.endpoint.settings import EndpointSettings
from reachgym.agents.protocol import Completion, Conversation, Exchange, Limits
from reachgym.agents.sampling import Decoding
from reachgym.envs.errors import ConfigError
from reachgym.envs.types import Message, ToolCall, ToolSpec

SEARCH = ToolSpec("search", "Look something up.", {"type": "object", "properties": {}})


@pytest.fixture
def body(ask):
    """The body of a request, read back."""

    def write(*args, most_tokens=None, server=Server.VLLM, **fields):
        chosen = EndpointSettings("http://localhost:1/v1", "m", server, **fields)
        return json.loads(RequestWriter(chosen).body(ask(*args), most_tokens))

    return write


def test_a_conversation_becomes_messages_with_calls_and_results(body):
    calls = (
        ToolCall("a1", "search", {"query": "Zoë", "k": 2}),
        ToolCall("a2", "", parse_error="the call has no name"),
    )
    replies = (Message("tool", "日本", tool_call_id="a1"), Message("tool", "x", tool_call_id="a2"))
    opening = (Message("system", "be brief"), Message("user", "who?"))
    exchanges = (Exchange(Completion(Message("assistant", "", calls)), replies),)
    written = body(Conversation(opening, exchanges), (SEARCH,))
    assert written["messages"][:2] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "who?"},
    ]
    assistant = written["messages"][2]
    assert assistant["content"] is None
    first, second = assistant["tool_calls"]
    assert first["id"] == "a1"
    assert first["type"] == "function"
    assert first["function"]["name"] == "search"
    assert json.loads(first["function"]["arguments"]) == {"query": "Zoë", "k": 2}
    assert second["function"] == {"name": "unknown", "arguments": "{}"}
    assert written["messages"][3:] == [
        {"role": "tool", "content": "日本", "tool_call_id": "a1"},
        {"role": "tool", "content": "x", "tool_call_id": "a2"},
    ]
    assert written["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "search",
                "description": "Look something up.",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]


def thoughtful(*thoughts: str) -> Conversation:
    """A conversation of calls, each with what was thought before it, and an answer."""
    exchanges = [
        Exchange(
            Completion(Message("assistant", "", (ToolCall(f"a{i}", "search"),), reasoning=thought)),
            (Message("tool", "x", tool_call_id=f"a{i}"),),
        )
        for i, thought in enumerate(thoughts)
    ]
    answer = Completion(Message("assistant", "so", reasoning="done"))
    more = Exchange(answer, (Message("user", "and?"),))
    return Conversation((Message("user", "who?"),), (*exchanges, more))


@pytest.mark.parametrize(
    ("server", "name"),
    [
        (Server.VLLM, "reasoning"),
        (Server.SGLANG, "reasoning_content"),
        (Server.LLAMA_CPP, "reasoning_content"),
        (Server.OTHER, "reasoning_content"),
    ],
)
def test_what_was_thought_before_calls_goes_back_under_the_servers_name(body, server, name):
    written = body(thoughtful("who indeed", ""), server=server)["messages"]
    told = [entry for entry in written if "reasoning" in entry or "reasoning_content" in entry]
    assert [entry.get(name) for entry in told] == ["who indeed", ""]
    assert all("tool_calls" in entry for entry in told)


def test_a_server_that_takes_no_reasoning_is_sent_none(body):
    assert "reason" not in json.dumps(body(thoughtful("who"), server=Server.OPENAI)["messages"])


def test_without_reasoning_there_is_no_field_for_it(body):
    plain = Conversation(
        (Message("user", "who?"),),
        (Exchange(Completion(Message("assistant", "", (ToolCall("a", "search"),))), ()),),
    )
    assert "reason" not in json.dumps(body(plain)["messages"])


def test_a_conversation_without_tools_offers_none(body):
    assert "tools" not in body()


def test_text_that_utf8_cannot_hold_is_replaced(body):
    assert body("a\ud800b")["messages"][0]["content"] == "a?b"


@pytest.mark.parametrize(
    ("server", "name"), [(Server.OPENAI, "max_completion_tokens"), (Server.VLLM, "max_tokens")]
)
def test_the_bound_has_the_servers_name(body, server, name):
    assert body(server=server, most_tokens=5)[name] == 5
    assert name not in body(server=server)


def test_a_seed_of_63_bits_is_folded_into_what_servers_hold(body):
    assert body("q", (), None, 2**62 + 5)["seed"] == 5


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        (Server.OPENAI, {}),
        (Server.OTHER, {"temperature": 1.0, "top_p": 1.0}),
        (Server.VLLM, {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0}),
        (Server.SGLANG, {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0}),
        (Server.LLAMA_CPP, {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}),
    ],
)
def test_nothing_of_a_server_cuts_the_distribution_unasked(body, server, wanted):
    written = body(server=server)
    sampling = ("temperature", "top_p", "top_k", "min_p")
    assert {name: written[name] for name in sampling if name in written} == wanted


def test_a_decoding_is_passed_on(body):
    written = body(decoding=Decoding(temperature=0.5, top_p=0.9, top_k=7))
    assert (written["temperature"], written["top_p"], written["top_k"]) == (0.5, 0.9, 7)
    written = body(server=Server.OPENAI, decoding=Decoding(temperature=0.0))
    assert written["temperature"] == 0.0
    assert "top_p" not in written


def test_a_server_without_top_k_is_asked_for_none():
    with pytest.raises(ConfigError, match="top_k=3"):
        EndpointSettings("http://h/v1", "m", Server.OPENAI, decoding=Decoding(top_k=3))


def test_tokens_are_asked_for_where_their_probabilities_are_those_of_the_distribution(body):
    assert body()["return_token_ids"] is True
    assert body(server=Server.SGLANG)["return_output_ids_in_sglext"] is True
    tempered = body(decoding=Decoding(temperature=0.7))
    assert "return_token_ids" not in tempered
    assert "logprobs" not in tempered
    assert "logprobs" not in body(server=Server.OPENAI)


def test_a_stream_is_asked_for_its_usage(body):
    assert body()["stream_options"] == {"include_usage": True}
    assert "stream" not in body(stream=False)


def test_further_fields_are_sent_and_may_not_replace_the_agents_own(body):
    assert body(extra={"reasoning_effort": "low"})["reasoning_effort"] == "low"
    with pytest.raises(ConfigError, match="seed"):
        body(extra={"seed": 1})


def test_requests_go_to_the_path_and_carry_the_limits(serve, turn, ask):
    server = serve(lambda call: [said("2")])
    turn(server, ask(limits=Limits(action_tokens=9, context_tokens=20)), server=Server.VLLM)
    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.body["max_tokens"] == 9
    assert call.body["model"] == "m"
    assert "authorization" not in call.headers


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://host/v1",
        "http:///v1",
        "http://host:99999/v1",
        "https://user:sesame-open@host/v1",
        "https://host/v1?key=sesame-open",
        "https://host/v1#sesame-open",
        "https://user:ses/ame-open@host/v1",
        "http://host/v1/chat/completions",
    ],
)
def test_a_url_that_is_no_endpoints_is_refused_without_telling_secrets(url):
    with pytest.raises(ConfigError, match="base_url") as caught:
        EndpointSettings(url, "m")
    assert "ame-open" not in str(caught.value)


def test_settings_that_leave_nothing_to_do_are_refused():
    with pytest.raises(ConfigError, match="concurrency"):
        EndpointSettings("http://h/v1", "m", concurrency=0)
    with pytest.raises(ConfigError, match="name"):
        EndpointSettings("http://h/v1", "")
