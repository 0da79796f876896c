"""Conversations that come and go get the turns that the naive loop gives them."""

import numpy as np
import pytest
import torch

from reachgym.agents.protocol import (
    Continuous,
    Conversation,
    Exchange,
    FinishReason,
    Limits,
    Request,
    TokenSequence,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.sampling import Decoding
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.errors import InputError
from reachgym.envs.types import Message, ToolSpec

FAMILIES = ["llama", "qwen3", "gemma3"]
PROMPTS = ["C2:abcde/rs", "L1:abcd/P", "A3:1*2", "L1:abcd/P", "x"]
SEARCH = ToolSpec("search", "", {})


class NeverStopping(TerseRenderer):
    """Terse without stop ids, so that only limits end a turn."""

    stop_ids = frozenset()


def never_woken():
    raise AssertionError("an engine that computes in its steps wakes nobody")


def asking(text="L1:abcd/R"):
    return Conversation((Message("user", text),))


def answered(chat, taken, text="wxyz"):
    return Conversation(chat.opening, (*chat.exchanges, Exchange(taken, (Message("tool", text),))))


def request(chat, tokens=6, seed=1, tools=()):
    return Request(chat, tools, Limits(action_tokens=tokens), seed)


def finish(engine):
    ended = {}
    while not engine.idle:
        ended.update(engine.step())
    return ended


def act(policy, asked):
    return policy.act([asked.conversation], [asked.tools], [asked.limits], [asked.seed])[0]


def play(engine, turns=3, tokens=lambda ticket, turn: 3 + (5 * ticket + 3 * turn) % 7):
    """Episodes of several turns; each starts a step after the one before, and goes on at once."""
    chats = {ticket: asking(text) for ticket, text in enumerate(PROMPTS)}
    asked, taken = [], []
    starting = iter(chats)
    while (ticket := next(starting, None)) is not None or not engine.idle:
        due = [] if ticket is None else [ticket]
        for done, completion in engine.step():
            taken.append((done, len(chats[done].exchanges), completion))
            chats[done] = answered(chats[done], completion)
            if len(chats[done].exchanges) < turns:
                due.append(done)
        for one in due:
            turn = len(chats[one].exchanges)
            asked.append((one, turn, request(chats[one], tokens(one, turn), 10 * one + turn)))
            engine.submit(one, asked[-1][2])
    answers = {(one, turn): completion for one, turn, completion in taken}
    return [(question, answers.pop((one, turn))) for one, turn, question in asked]


@torch.no_grad()
def greedy(model, history, count):
    ids = list(history)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return tuple(ids[len(history) :])


def history_of(asked, taken):
    past = [
        token
        for exchange in asked.conversation.exchanges
        for token in (*exchange.completion.prompt_ids, *exchange.completion.sampled_ids)
    ]
    return (*past, *taken.prompt_ids)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cache_bytes", [0, 20_000, 2**30])
def test_greedy_turns_are_those_of_a_loop_without_a_cache(tiny, family, cache_bytes):
    policy = TransformersPolicy(
        tiny(family),
        NeverStopping(),
        decoding=Decoding(0.0),
        max_batch=3,
        cache_bytes=cache_bytes,
    )
    for asked, taken in play(policy.engine(never_woken)):
        history = history_of(asked, taken)
        assert taken.sampled_ids == greedy(policy.model, history, asked.limits.action_tokens)
        assert taken.finish is FinishReason.ACTION_TOKENS


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decoding", [Decoding(), Decoding(1.3, 0.8, 40)], ids=str)
def test_sampled_turns_are_those_of_act_and_score_as_they_were_sampled(tiny, family, decoding):
    policy = TransformersPolicy(tiny(family), TerseRenderer(), decoding=decoding)
    for asked, taken in play(policy.engine(never_woken)):
        alone = act(policy, asked)
        assert (taken.message, taken.finish) == (alone.message, alone.finish)
        assert taken.prompt_ids == alone.prompt_ids
        assert taken.sampled_ids == alone.sampled_ids
        ids = np.array(history_of(asked, taken) + taken.sampled_ids, np.int32)
        mask = np.arange(len(ids)) >= len(ids) - len(taken.sampled_ids)
        (told,) = policy.score([TokenSequence(ids, mask)])
        np.testing.assert_allclose(taken.logprobs, told, atol=1e-5)


def test_a_turn_reads_only_what_came_since_the_last_one(tiny):
    policy = TransformersPolicy(tiny("llama"), NeverStopping())
    engine = policy.engine(never_woken)
    chat, reads = asking(), []
    for turn in range(4):
        engine.submit(7, request(chat, 5, turn))
        taken = finish(engine)[7]
        chat = answered(chat, taken)
        reads.append(engine.stats.prefilled_tokens - sum(reads))
    opening = len(chat.exchanges[0].completion.prompt_ids)
    reply = len(chat.exchanges[1].completion.prompt_ids)
    # The turn's last token is read with the reply, whose own last is read as the next is sampled.
    assert reads == [opening - 1, reply, reply, reply]


def test_attempts_of_one_prompt_share_its_reading_whenever_they_come(tiny):
    policy = TransformersPolicy(tiny("llama"), NeverStopping())
    engine = policy.engine(never_woken)
    for ticket in (0, 1):
        engine.submit(ticket, request(asking(), 4, ticket))
    ended = dict(engine.step())
    engine.submit(2, request(asking(), 4, 2))
    ended.update(finish(engine))
    engine.submit(3, request(asking(), 4, 3))
    ended.update(finish(engine))
    prompt = len(ended[0].prompt_ids)
    assert engine.stats.prefilled_tokens == prompt - 1
    assert engine.stats.reused_tokens == 3 * (prompt - 1)
    for ticket, taken in ended.items():
        assert taken.sampled_ids == act(policy, request(asking(), 4, ticket)).sampled_ids


def test_a_history_that_is_not_the_kept_one_is_read_anew(tiny):
    policy = TransformersPolicy(tiny("llama"), NeverStopping())
    engine = policy.engine(never_woken)
    engine.submit(0, request(asking("first")))
    first = finish(engine)[0]
    other = request(answered(asking("other one"), first))
    engine.submit(0, other)
    assert finish(engine)[0].sampled_ids == act(policy, other).sampled_ids


def test_limits_without_room_end_a_turn_at_once(tiny):
    engine = TransformersPolicy(tiny("llama"), NeverStopping()).engine(never_woken)
    engine.submit(0, Request(asking(), (), Limits(action_tokens=0), 0))
    engine.submit(1, Request(asking(), (), Limits(context_tokens=3), 0))
    ended = dict(engine.step())
    assert [ended[ticket].finish for ticket in (0, 1)] == ["action_tokens", "context_tokens"]
    assert ended[0].sampled_ids == ended[1].sampled_ids == ()
    assert engine.idle


def test_constrained_turns_are_those_of_act(tiny):
    policy = TransformersPolicy(tiny("llama"), TerseRenderer(), constrained=True)
    engine = policy.engine(never_woken)
    asked = [request(asking(), 40, seed, (SEARCH,) * (seed % 2)) for seed in range(12)]
    ended = {}
    for ticket, one in enumerate(asked):
        engine.submit(ticket, one)
        ended.update(engine.step())
    ended.update(finish(engine))
    for ticket, one in enumerate(asked):
        assert ended[ticket].message == act(policy, one).message
        assert ended[ticket].finish is FinishReason.STOP


class Fragile(NeverStopping):
    """Refuses one opening, and whatever is sampled for another."""

    def open(self, messages, tools):
        if messages[0].content == "refused":
            raise InputError("cannot be opened")
        return super().open(messages, tools)

    def parse(self, ids, turn):
        if len(ids) == 5:
            raise ValueError("cannot be parsed")
        return super().parse(ids, turn)


def test_an_error_fails_its_own_conversation_alone(tiny):
    policy = TransformersPolicy(tiny("llama"), Fragile())
    engine = policy.engine(never_woken)
    for ticket, (text, tokens) in enumerate([("fine", 6), ("refused", 6), ("fine", 5)]):
        engine.submit(ticket, request(asking(text), tokens))
    ended = finish(engine)
    assert [str(ended[ticket]) for ticket in (1, 2)] == ["cannot be opened", "cannot be parsed"]
    assert ended[0].sampled_ids == act(policy, request(asking("fine"))).sampled_ids
    with pytest.raises(InputError, match="cannot be opened"):
        act(policy, request(asking("refused")))
    with pytest.raises(ValueError, match="cannot be parsed"):
        act(policy, request(asking("fine"), 5))


def test_what_was_forgotten_never_returns_and_its_memory_is_free(tiny):
    policy = TransformersPolicy(tiny("llama"), Fragile())
    engine = policy.engine(never_woken)
    for ticket, text in enumerate(["a", "b", "refused"]):
        engine.submit(ticket, request(asking(text), 6, ticket))
    engine.step()
    engine.forget(0)
    engine.submit(3, request(asking("refused")))
    engine.forget(3)
    assert list(finish(engine)) == [1]
    held = engine.stats.kept_bytes
    engine.forget(1)
    assert engine.stats.kept_bytes < held
    engine.close()
    engine.close()
    assert engine.idle
    assert engine.stats.kept_bytes == 0


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_new_weights_begin_turns_under_way_anew(tiny, steps):
    policy, other = (TransformersPolicy(tiny("llama"), NeverStopping()) for _ in range(2))
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.mul_(1.1)
    engine = policy.engine(never_woken)
    chat = asking("kept from before")
    engine.submit(0, request(chat, 4))
    chat = answered(chat, finish(engine)[0])
    asked = [request(chat, 8, 5), *(request(asking(text), 8, 6) for text in PROMPTS)]
    for ticket, one in enumerate(asked):
        engine.submit(ticket, one)
    for _ in range(steps):
        assert engine.step() == []
    policy.load_weights(other.model.state_dict(), version=4)
    ended = finish(engine)
    old = TransformersPolicy(tiny("llama"), NeverStopping())
    for ticket, one in enumerate(asked):
        assert ended[ticket].policy_version == 4
        assert ended[ticket].sampled_ids == act(other, one).sampled_ids
    assert any(ended[t].sampled_ids != act(old, one).sampled_ids for t, one in enumerate(asked))


def test_a_model_that_was_left_in_training_mode_acts_in_evaluation_mode(tiny):
    policy = TransformersPolicy(tiny("llama", attention_dropout=0.5), NeverStopping())
    engine = policy.engine(never_woken)
    expected = act(policy, request(asking())).sampled_ids
    policy.model.train()
    engine.submit(0, request(asking()))
    assert finish(engine)[0].sampled_ids == expected


def test_equal_calls_of_act_give_equal_bits(tiny):
    policy = TransformersPolicy(tiny("llama"), TerseRenderer(), max_batch=3)
    chats = [asking(text) for text in PROMPTS]
    once, again = (policy.act(chats, [()] * 5, [Limits(9)] * 5, range(5)) for _ in range(2))
    assert [(row.sampled_ids, row.logprobs) for row in once] == [
        (row.sampled_ids, row.logprobs) for row in again
    ]


def test_the_policy_offers_an_engine_and_one_for_a_foreign_model_is_refused(tiny):
    policy = TransformersPolicy(tiny("llama"), NeverStopping())
    assert isinstance(policy, Continuous)
    foreign = TransformersPolicy(tiny("mamba"), NeverStopping())
    with pytest.raises(InputError, match="MambaForCausalLM"):
        foreign.engine(never_woken)
