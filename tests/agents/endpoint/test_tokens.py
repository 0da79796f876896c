"""Token ids and log-probabilities: taken where a server gives them, as deltas, never made up."""

from __future__ import annotations

import threading

import pytest
from loopback import call_entry, completion, delta, events, http

from reachgym.agents.endpoint.dialects import Server
from reachgym.agents.protocol import Conversation, Exchange, FinishReason, Limits, Request
from reachgym.envs.types import Message

PROMPT, SAMPLED, LOGPROBS = [1, 5, 6], [7, 8], [-0.5, -0.25]


def probs(values=tuple(LOGPROBS)) -> dict:
    return {"content": [{"token": "t", "logprob": value, "top_logprobs": []} for value in values]}


def vllm(call):
    choice = {"token_ids": SAMPLED, "logprobs": probs()}
    return [http(200, completion({"content": "x"}, choice=choice, prompt_token_ids=PROMPT))]


def vllm_stream(call):
    return events(
        delta(content="") | {"prompt_token_ids": PROMPT},
        delta(content="a", choice={"token_ids": SAMPLED[:1], "logprobs": probs(LOGPROBS[:1])}),
        delta("stop", choice={"token_ids": SAMPLED[1:], "logprobs": probs(LOGPROBS[1:])}),
    )


def sglang(call):
    extension = {"input_ids": PROMPT, "output_ids": [SAMPLED]}
    choice = {"logprobs": probs()}
    return [http(200, completion({"content": "x"}, choice=choice, sglext=extension))]


def sglang_stream(call):
    return events(
        delta(content="a", choice={"logprobs": probs()}),
        delta("stop"),
        {"choices": [], "sglext": {"input_ids": PROMPT, "output_ids": SAMPLED}},
    )


@pytest.mark.parametrize(
    ("script", "server", "stream"),
    [
        (vllm, Server.VLLM, False),
        (vllm_stream, Server.VLLM, True),
        (sglang, Server.SGLANG, False),
        (sglang_stream, Server.SGLANG, True),
    ],
)
def test_tokens_are_taken_as_each_server_gives_them(serve, turn, script, server, stream):
    done = turn(serve(script), server=server, stream=stream)
    assert done.prompt_ids == tuple(PROMPT)
    assert done.sampled_ids == tuple(SAMPLED)
    assert done.logprobs == tuple(LOGPROBS)


@pytest.mark.parametrize(
    ("choice", "top"),
    [
        ({"logprobs": probs()}, {"prompt_token_ids": PROMPT}),
        ({"token_ids": SAMPLED}, {"prompt_token_ids": PROMPT}),
        ({"token_ids": SAMPLED, "logprobs": probs()}, {}),
        ({"token_ids": SAMPLED, "logprobs": probs([-1.0])}, {"prompt_token_ids": PROMPT}),
    ],
)
def test_half_of_them_are_none(serve, turn, choice, top):
    server = serve(lambda call: [http(200, completion({"content": "x"}, choice=choice, **top))])
    done = turn(server)
    assert done.message.content == "x"
    assert (done.prompt_ids, done.sampled_ids, done.logprobs) == ((), (), ())


def second_turn(first, prompt_ids, serve, turn, ask):
    """The second turn of a conversation, at a server that saw these ids."""
    replies = (Message("user", "and?"),)
    conversation = Conversation((Message("user", "q"),), (Exchange(first, replies),))
    choice = {"token_ids": [9], "logprobs": probs([-1.0])}
    body = completion({"content": "y"}, choice=choice, prompt_token_ids=prompt_ids)
    return turn(serve(lambda call: [http(200, body)]), ask(conversation))


def test_a_later_turn_has_only_what_was_added(serve, turn, ask):
    first = turn(serve(vllm))
    second = second_turn(first, [*PROMPT, *SAMPLED, 3, 4], serve, turn, ask)
    assert second.prompt_ids == (3, 4)
    assert second.sampled_ids == (9,)


def test_a_template_that_rewrites_the_history_leaves_the_turn_without_tokens(
    serve, turn, ask, caplog
):
    first = turn(serve(vllm))
    second = second_turn(first, [*PROMPT, 7, 99, 3, 4], serve, turn, ask)
    assert second.message.content == "y"
    assert (second.prompt_ids, second.sampled_ids, second.logprobs) == ((), (), ())
    assert "carry no tokens" in caplog.text


def test_where_a_turn_has_no_tokens_a_later_one_reads_it_as_part_of_its_prompt(serve, turn, ask):
    bare = turn(serve(lambda call: [http(200, completion({"content": "x"}))]))
    second = second_turn(bare, [1, 2, 3], serve, turn, ask)
    assert second.prompt_ids == (1, 2, 3)


def test_the_history_counts_against_the_context(serve, turn, ask):
    first = turn(serve(vllm))
    conversation = Conversation(
        (Message("user", "q"),), (Exchange(first, (Message("user", "and?"),)),)
    )
    server = serve(vllm)
    turn(server, ask(conversation, (), Limits(None, 12)))
    assert server.calls[0].body["max_tokens"] == 12 - len(PROMPT) - len(SAMPLED)


def test_without_ids_the_servers_count_keeps_the_budget_over_turns(serve, agent):
    calls = [call_entry("f", "{}")]
    server = serve(lambda call: [http(200, completion({"tool_calls": calls}, "tool_calls"))])
    woken = threading.Event()
    engine = agent(server).engine(woken.set)
    request = Request(Conversation((Message("user", "q"),)), (), Limits(8, 30), 0)
    ends = []
    for _ in range(4):
        engine.submit(1, request)
        woken.wait(20)
        woken.clear()
        ends += [done.finish for _, done in engine.step()]
    engine.close()
    # Three tokens a turn by the server's count: 8, 5 and 2 are left, the last of which is overrun.
    assert [call.body["max_tokens"] for call in server.calls] == [8, 5, 2]
    assert ends[:3] == [FinishReason.STOP, FinishReason.STOP, FinishReason.ACTION_TOKENS]
    assert ends[3] is FinishReason.ACTION_TOKENS


def test_a_forgotten_conversation_has_its_budget_anew(serve, agent):
    server = serve(lambda call: [http(200, completion({"content": "x"}))])
    woken = threading.Event()
    engine = agent(server).engine(woken.set)
    request = Request(Conversation((Message("user", "q"),)), (), Limits(8), 0)
    for _ in range(2):
        engine.submit(1, request)
        woken.wait(20)
        woken.clear()
        engine.step()
        engine.forget(1)
    engine.close()
    assert [call.body["max_tokens"] for call in server.calls] == [8, 8]
