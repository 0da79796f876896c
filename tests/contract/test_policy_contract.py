"""Every architecture decodes with the cache as it does without, and scores what it sampled."""

import numpy as np
import pytest
import torch

from reachgym.agents.protocol import (
    Conversation,
    Exchange,
    FinishReason,
    Limits,
    TokenSequence,
)
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.sampling import Decoding
from reachgym.agents.transformers_policy import TransformersPolicy
from reachgym.envs.types import Message

VOCABULARY = TerseRenderer.vocab_size
PROMPTS = ["C2:abcde/rs", "L1:abcd/P", "A3:1*2", "L1:abcd/P", "x"]
ARCHITECTURES = ["llama", "gpt2", "qwen2", "qwen3", "sliding"]


def build(architecture):
    import transformers as hf

    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 96,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    torch.manual_seed(1)
    if architecture == "llama":
        model = hf.LlamaForCausalLM(hf.LlamaConfig(**shape))
    elif architecture == "gpt2":
        ids = {"bos_token_id": None, "eos_token_id": None}
        config = hf.GPT2Config(
            vocab_size=VOCABULARY, n_positions=96, n_embd=32, n_layer=2, n_head=2, **ids
        )
        model = hf.GPT2LMHeadModel(config)
    elif architecture == "qwen2":
        model = hf.Qwen2ForCausalLM(hf.Qwen2Config(**shape))
    elif architecture == "qwen3":
        model = hf.Qwen3ForCausalLM(hf.Qwen3Config(head_dim=8, **shape))
    else:
        model = hf.MistralForCausalLM(hf.MistralConfig(sliding_window=6, head_dim=8, **shape))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    return model.eval()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    return build(request.param)


def conversations():
    return [Conversation((Message("user", prompt),)) for prompt in PROMPTS]


def act(policy, chats, seeds=range(100)):
    limits = [Limits(action_tokens=5 + 3 * row) for row in range(len(chats))]
    return policy.act(chats, [()] * len(chats), limits, list(seeds)[: len(chats)])


@torch.no_grad()
def naive_greedy(model, history, count, stop_ids):
    ids = list(history)
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        if ids[-1] in stop_ids:
            break
    return tuple(ids[len(history) :])


def sequences_of(chats):
    for chat in chats:
        ids, mask = [], []
        for exchange in chat.exchanges:
            taken = exchange.completion
            ids += taken.prompt_ids + taken.sampled_ids
            mask += [False] * len(taken.prompt_ids) + [True] * len(taken.sampled_ids)
        yield TokenSequence(np.array(ids, np.int32), np.array(mask, np.bool_))


def test_greedy_decoding_equals_a_loop_without_a_cache(model):
    policy = TransformersPolicy(model, TerseRenderer(), decoding=Decoding(temperature=0.0))
    for row, taken in enumerate(act(policy, conversations())):
        stops = policy.renderer.stop_ids
        assert taken.sampled_ids == naive_greedy(model, taken.prompt_ids, 5 + 3 * row, stops)


@pytest.mark.parametrize(
    "decoding", [Decoding(), Decoding(0.7), Decoding(top_k=5), Decoding(1.3, 0.8, 40)], ids=str
)
def test_sampled_log_probabilities_are_those_that_score_gives(model, decoding):
    policy = TransformersPolicy(model, TerseRenderer(), decoding=decoding)
    chats = conversations()
    for turn in range(2):
        completions = act(policy, chats, range(turn, 100))
        reply = (Message("tool", "wxyz"),)
        chats = [
            Conversation(chat.opening, (*chat.exchanges, Exchange(taken, reply)))
            for chat, taken in zip(chats, completions, strict=True)
        ]
    scores = policy.score(list(sequences_of(chats)))
    for chat, score in zip(chats, scores, strict=True):
        sampled = [lp for exchange in chat.exchanges for lp in exchange.completion.logprobs]
        assert score.dtype == np.float32
        np.testing.assert_allclose(score, sampled, atol=1e-4)


def test_equal_seeds_and_histories_give_equal_completions(model):
    policy = TransformersPolicy(model, TerseRenderer())
    small = TransformersPolicy(model, TerseRenderer(), max_batch=2)
    once, again, chunked = (act(p, conversations()) for p in (policy, policy, small))
    assert [c.sampled_ids for c in once] == [c.sampled_ids for c in again]
    assert [c.sampled_ids for c in once] == [c.sampled_ids for c in chunked]
    assert [c.message for c in once] == [c.message for c in again]


def test_a_row_at_the_models_last_position_ends_and_the_others_go_on(model):
    policy = TransformersPolicy(model, TerseRenderer(), decoding=Decoding(temperature=0.0))
    policy.renderer.stop_ids = frozenset()
    chats = [Conversation((Message("user", text),)) for text in ("x" * 90, "y")]
    full, free = policy.act(chats, [(), ()], [Limits(30), Limits(30)], [0, 1])
    assert (len(full.sampled_ids), full.finish) == (4, FinishReason.CONTEXT_TOKENS)
    assert free.sampled_ids == naive_greedy(model, free.prompt_ids, 30, ())
