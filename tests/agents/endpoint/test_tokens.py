"""Token ids and log-probabilities: deltas where a server gives them, counts elsewhere."""

from __future__ import annotations

import pytest
from letters import Tell, letters
from loopback import completion, delta, events, http, message_of

from reachgym.agents.endpoint.dialects import Server
from reachgym.agents.protocol import Conversation, Exchange, Limits, TokenCounts, TokenTally
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.suites import family_of
from reachgym.envs.types import Budget, Message, StopReason
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import run_attempts

ENV = "reachgym/Lookup-v0"
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
    assert second.counts == TokenCounts(len(PROMPT) + 4, 1)
    assert "counts of tokens and no ids" in caplog.text


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


def oracle(call) -> Message:
    return family_of(ENV).oracle([message_of(entry) for entry in call.body["messages"]])


def played(serve, agent, tell, budget=None):
    """An attempt of two turns, at a server that tells its tokens so."""
    task = make(EnvRef(ENV)).taskset.task("train", 0)
    attempt = Attempt(task, EnvRef(ENV), 0, "oracle", budget or Budget())
    server = serve(letters(oracle, tell))
    (row,) = run_attempts(agent(server), [attempt], slots=1)
    return row, server


@pytest.mark.parametrize("stingy", [None, "action_tokens", "context_tokens"])
def test_counts_hold_usage_and_budgets_as_ids_do(serve, agent, stingy):
    free, _ = played(serve, agent, Tell.IDS)
    spent = free.turns[0].completion
    first = {"action_tokens": len(spent.sampled_ids), "context_tokens": free.usage.context_tokens}
    budget = Budget() if stingy is None else Budget(**{stingy: first[stingy] + 1})
    if stingy == "context_tokens":
        budget = Budget(context_tokens=len(spent.prompt_ids) + len(spent.sampled_ids) + 1)
    by_ids, asked = played(serve, agent, Tell.IDS, budget)
    by_counts, asked_too = played(serve, agent, Tell.COUNTS, budget)
    assert all(turn.completion.sampled_ids for turn in by_ids.turns)
    assert all(turn.completion.counts for turn in by_counts.turns)
    assert by_counts.usage == by_ids.usage
    assert by_counts.stop_reason is by_ids.stop_reason
    assert by_counts.stop_reason == (stingy or StopReason.ANSWERED)
    bounds = [call.body.get("max_tokens") for call in asked.calls]
    assert [call.body.get("max_tokens") for call in asked_too.calls] == bounds


def test_a_server_that_tells_no_usage_leaves_it_empty_and_takes_no_budget_of_tokens(serve, agent):
    free, _ = played(serve, agent, Tell.NOTHING)
    assert free.verdict.passed
    assert (free.usage.action_tokens, free.usage.context_tokens) == (0, 0)
    for budget in (Budget(action_tokens=500), Budget(context_tokens=5000)):
        refused, server = played(serve, agent, Tell.NOTHING, budget)
        assert refused.failure.kind == "EndpointReplyError"
        assert "leave tokens out of the budget" in refused.failure.message
        assert refused.verdict.passed is None
        assert len(server.calls) == 1


def test_a_turn_that_loses_its_ids_is_counted_and_the_next_ids_do_not_count_it_twice(
    serve, turn, ask
):
    counted = turn(serve(lambda call: [http(200, completion({"content": "x"}))]))
    assert counted.counts == TokenCounts(7, 3)
    second = second_turn(counted, list(range(12)), serve, turn, ask)
    assert len(second.prompt_ids) == 12
    both = (Exchange(counted, ()), Exchange(second, ()))
    assert Conversation((), both).tally == TokenTally(sampled=4, context=13, ids=13)


def test_counts_that_are_none_count_as_not_told(serve, turn):
    for usage in ({"prompt_tokens": -1, "completion_tokens": 3}, {"prompt_tokens": 7}, None):
        body = completion({"content": "x"}) | {"usage": usage}
        assert turn(serve(lambda call, body=body: [http(200, body)])).counts is None
