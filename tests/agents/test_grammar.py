"""Constrained turns are the grammar's, drawn from what the model thinks of them."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from reachgym.agents.generation.rows import Row
from reachgym.agents.grammar import Automaton
from reachgym.agents.protocol import Conversation, FinishReason, Limits, TokenSequence
from reachgym.agents.renderers.chat import ChatRenderer
from reachgym.agents.renderers.terse import ALPHABET, TerseRenderer
from reachgym.agents.sampling import Decoding
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.errors import ConfigError, InputError
from reachgym.envs.types import Message, ToolSpec

terse = TerseRenderer()
SEARCH, PYTHON, FETCH = (ToolSpec(name, "", {}) for name in ("search", "python", "fetch"))
SHAPE = TinyConfig(hidden=32, layers=2, heads=2, mlp=32, max_positions=64)


def accepts(tools, text):
    """Whether a text is a whole turn of the grammar, and not only the start of one."""
    grammar = terse.grammar(tools)
    state = grammar.start()
    for token in terse.encode_text(text):
        allowed = grammar.allowed(state)
        if allowed is None or not allowed[token]:
            return False
        state = grammar.advance(state, token)
    return grammar.allowed(state) is None


def constrained(**options):
    model = build_tiny(SHAPE, TerseRenderer.vocab_size + 5, seed=0)
    return TransformersPolicy(model, terse, constrained=True, **options)


def act(policy, tools, n=200, tokens=40):
    chats = [Conversation((Message("user", "L:R/abcd"),))] * n
    return policy.act(chats, [tools] * n, [Limits(tokens)] * n, range(n))


@pytest.mark.parametrize(
    "text", ["[s:abcd/R]", "[p:3*4]", "=wxyz;", "[s:" + "a" * 32 + "]", "=" + "a" * 32 + ";"]
)
def test_calls_of_offered_tools_and_answers_are_turns(text):
    assert accepts([SEARCH, PYTHON], text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[s:]",
        "=;",
        "[x:a]",
        "[s a]",
        "[sp:a]",
        "so [s:a]",
        "[s:a",
        "[s:[a]",
        "[s:a;]",
        "=a]",
        "==a;",
        "=a;b",
        "[s:" + "a" * 33 + "]",
        "=" + "a" * 33 + ";",
    ],
)
def test_anything_else_is_no_turn(text):
    assert not accepts([SEARCH, PYTHON], text)


def test_only_what_is_offered_can_be_called():
    assert accepts([SEARCH], "[s:a]")
    assert not accepts([SEARCH], "[p:a]")
    assert not accepts([FETCH], "[s:a]")
    assert not accepts([], "[s:a]")
    assert accepts([], "=a;")


def reachable(grammar):
    found, fresh = set(), {grammar.start()}
    while fresh:
        found |= fresh
        allowed = {state: grammar.allowed(state) for state in fresh}
        fresh = {
            grammar.advance(state, int(token))
            for state, mask in allowed.items()
            if mask is not None
            for token in np.flatnonzero(mask)
        } - found
    return found


def test_every_character_that_is_no_syntax_may_stand_in_an_argument():
    for character in ALPHABET:
        assert accepts([PYTHON], f"[p:{character}]") == (character not in "[];")
        assert accepts([], f"={character};") == (character not in "[]=;")


def test_every_state_goes_on_or_ends_and_none_takes_a_special_id():
    grammar = terse.grammar([SEARCH])
    masks = [grammar.allowed(state) for state in reachable(grammar)]
    assert sum(mask is None for mask in masks) == 1
    for mask in (mask for mask in masks if mask is not None):
        assert mask.any()
        assert not mask[[terse.pad_id, terse.bos_id, terse.unk_id]].any()


def test_an_id_that_is_not_allowed_is_refused():
    with pytest.raises(InputError, match="allowed"):
        Automaton([{3: 1}, {}], 5).advance(0, 2)


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(0.0), Decoding(1.5, 0.9, 10)], ids=str)
def test_an_untrained_model_writes_nothing_but_turns_of_the_grammar(decoding):
    rows = act(constrained(decoding=decoding), [SEARCH])
    assert all(row.finish is FinishReason.STOP for row in rows)
    assert all(accepts([SEARCH], terse.decode(row.sampled_ids)) for row in rows)
    for row in rows:
        assert all(call.parse_error is None for call in row.message.tool_calls)
    if decoding == Decoding():
        called = sum(len(row.message.tool_calls) for row in rows)
        assert 0 < called < len(rows)


def test_each_conversation_is_held_to_its_own_tools():
    policy = constrained()
    chat = Conversation((Message("user", "q"),))
    offers = [[], [SEARCH], [PYTHON], [SEARCH, PYTHON]] * 40
    rows = policy.act([chat] * 160, offers, [Limits(40)] * 160, range(160))
    seen = [set(), set(), set(), set()]
    for place, (tools, row) in enumerate(zip(offers, rows, strict=True)):
        assert accepts(tools, terse.decode(row.sampled_ids))
        seen[place % 4] |= {call.name for call in row.message.tool_calls}
    assert seen == [set(), {"search"}, {"python"}, {"search", "python"}]


def test_a_limit_may_cut_a_constrained_turn_short():
    rows = act(constrained(), [SEARCH], n=20, tokens=3)
    assert {row.finish for row in rows} <= {FinishReason.ACTION_TOKENS, FinishReason.STOP}
    assert FinishReason.ACTION_TOKENS in {row.finish for row in rows}


def test_constrained_draws_are_the_models_own_renormalised_over_what_is_allowed(generate):
    model = build_tiny(SHAPE, 12, seed=1).eval()
    grammar = Automaton([{2: 1, 5: 1, 7: 1}, {}], 12)
    n = 8000
    history = (1, 3, 4)
    rows = generate(
        model,
        [Row(history, 1, seed, grammar) for seed in range(n)],
        decoding=Decoding(0.5),
    )
    with torch.no_grad():
        logits = model(torch.tensor([history])).logits[0, -1].double().numpy()
    expected = np.exp(logits[[2, 5, 7]] / 0.5)
    expected /= expected.sum()
    counts = np.bincount([row.ids[0] for row in rows], minlength=12)
    assert counts[[2, 5, 7]].sum() == n
    assert chisquare(counts[[2, 5, 7]], n * expected).pvalue > 1e-3
    told = dict(zip((2, 5, 7), np.log(expected), strict=True))
    for row in rows[:20]:
        np.testing.assert_allclose(row.logprobs[0], told[row.ids[0]], atol=1e-5)


def test_free_rows_beside_constrained_ones_draw_what_they_draw_alone(generate):
    model = build_tiny(SHAPE, terse.vocab_size, seed=0).eval()
    free = [Row((1, 9, 9), 12, seed) for seed in range(20)]
    bound = [Row((1, 9, 9), 12, seed, terse.grammar([SEARCH])) for seed in range(20)]
    mixed = generate(model, [*free, *bound], stop_ids=terse.stop_ids)
    alone = generate(model, free, stop_ids=terse.stop_ids)
    assert [row.ids for row in mixed[:20]] == [row.ids for row in alone]


def test_ids_that_a_grammar_does_not_know_are_not_allowed(generate):
    model = build_tiny(SHAPE, 12, seed=1).eval()
    grammar = Automaton([{2: 1}, {3: 2}, {}], 4)
    rows = generate(model, [Row((1, 3), 2, seed, grammar) for seed in range(20)])
    assert {row.ids for row in rows} == {(2, 3)}


def test_a_constrained_policy_refuses_to_score():
    sequence = TokenSequence(np.array([1, 5], np.int32), np.array([False, True]))
    with pytest.raises(InputError, match="unconstrained policy"):
        constrained().score([sequence])


def test_a_renderer_without_a_grammar_is_refused_before_any_episode(chat_tokenizer):
    renderer = ChatRenderer(chat_tokenizer)
    model = build_tiny(SHAPE, renderer.vocab_size, seed=0)
    with pytest.raises(ConfigError, match="not offered by ChatRenderer"):
        TransformersPolicy(model, renderer, constrained=True)
