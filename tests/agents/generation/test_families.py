"""Every family's cache in slots gives what a pass over the whole history gives."""

import numpy as np
import pytest
import torch
from torch import nn

from reachgym.agents.generation.llama import is_plain_llama, read_token
from reachgym.agents.generation.rows import Row
from reachgym.agents.generation.shape import cache_shape
from reachgym.agents.generation.slots import SlotCache
from reachgym.agents.sampling import Decoding
from reachgym.envs.errors import InputError

FAMILIES = ["llama", "qwen2", "qwen3", "mistral", "gemma3", "gpt2"]
LENGTHS = (30, 3, 17, 1, 9)


def histories():
    rng = np.random.default_rng(4)
    return [tuple(rng.integers(3, 90, length).tolist()) for length in LENGTHS]


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, history, count):
    ids = list(history)
    for _ in range(count):
        ids.append(int(logits_of(model, ids)[-1].argmax()))
    return tuple(ids[len(history) :])


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_any_length_decode_greedily_as_a_loop_without_a_cache(tiny, generate, family):
    model = tiny(family)
    rows = [Row(ids, 12, 0) for ids in histories()]
    for row, taken in zip(rows, generate(model, rows, decoding=Decoding(0.0)), strict=True):
        assert taken.ids == greedy(model, row.history, 12)


@pytest.mark.parametrize("family", FAMILIES)
def test_log_probabilities_are_those_of_a_pass_over_the_whole(tiny, generate, family):
    model = tiny(family)
    rows = [Row(ids, 12, seed) for seed, ids in enumerate(histories())]
    for row, taken in zip(rows, generate(model, rows), strict=True):
        logprobs = logits_of(model, row.history + taken.ids)[:-1].log_softmax(-1)
        told = logprobs[range(-12, 0), taken.ids]
        np.testing.assert_allclose(taken.logprobs, told, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_padding_beyond_the_last_position_does_not_matter(tiny, decoder_of, family):
    model = tiny(family, max_position_embeddings=64)
    decoder = decoder_of(model, decoding=Decoding(0.0), keep=True)
    long = tuple(range(3, 60))

    def continued(**rows):
        for key, row in enumerate(rows.values()):
            decoder.add(key, row)
        ended = {}
        while not decoder.idle:
            ended.update(decoder.step())
        return ended

    said = continued(first=Row(long, 2, 0))[0].ids
    both = continued(first=Row((*long, *said, 9, 8), 3, 0), beside=Row((5,) * 12, 3, 0))
    assert decoder.stats.prefilled_tokens == 56 + 2 + 11
    assert both[0].ids == greedy(model, (*long, *said, 9, 8), 3)
    assert both[1].ids == greedy(model, (5,) * 12, 3)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_the_short_pass_gives_the_models_own_logits_and_cache(tiny, family):
    model = tiny(family)
    shape = cache_shape(model)
    assert is_plain_llama(model, shape)
    starts = torch.tensor([5, 0, 31])
    ids = torch.tensor([7, 8, 9])
    with torch.inference_mode():
        caches = [SlotCache(shape, 4, 32) for _ in range(2)]
        for cache in caches:
            generator = torch.manual_seed(5)
            for slot, start in enumerate(starts.tolist()):
                cache.install([slot], torch.randn(2, 2, 2, start, 8, generator=generator))
        short = read_token(model, caches[0], ids, starts)
        own = caches[1].forward(model, ids[:, None], starts)
        torch.testing.assert_close(short, own, atol=1e-5, rtol=1e-5)
        for slot, start in enumerate(starts.tolist()):
            blocks = (cache.block(slot, start + 1) for cache in caches)
            torch.testing.assert_close(*blocks, atol=1e-5, rtol=1e-5)


def test_only_plain_layers_in_float32_take_the_short_pass(tiny):
    class Adapted(nn.Linear):
        pass

    def plain(model):
        return is_plain_llama(model, cache_shape(model))

    adapted = tiny("llama")
    adapted.model.layers[1].mlp.up_proj.__class__ = Adapted
    others = [tiny("qwen3"), tiny("llama").to(torch.bfloat16), tiny("llama", hidden_act="gelu")]
    assert plain(tiny("llama"))
    assert not any(plain(model) for model in [*others, adapted])


def test_half_precision_samples_what_it_scores_within_its_own_rounding(tiny, generate):
    model = tiny("llama").to(torch.bfloat16)
    rows = [Row(ids, 8, seed) for seed, ids in enumerate(histories())]
    for row, taken in zip(rows, generate(model, rows), strict=True):
        logprobs = logits_of(model, row.history + taken.ids)[:-1].float().log_softmax(-1)
        told = logprobs[range(-8, 0), taken.ids]
        np.testing.assert_allclose(taken.logprobs, told, atol=0.3)


def test_a_model_without_attention_is_refused_with_what_to_do(tiny):
    with pytest.raises(InputError, match=r"MambaForCausalLM .* endpoint"):
        cache_shape(tiny("mamba"))


def test_attention_that_takes_no_mask_is_refused_with_what_to_do(tiny):
    model = tiny("llama")
    model.set_attn_implementation("flex_attention")
    with pytest.raises(InputError, match="attn_implementation='sdpa'"):
        cache_shape(model)


def test_what_another_row_left_behind_touches_no_later_one(tiny):
    model = tiny("llama")
    cache = SlotCache(cache_shape(model), 1, 32)
    with torch.inference_mode():
        cache.install([0], torch.full((2, 2, 2, 32, 8), torch.nan))
        cache.install([0], torch.zeros(2, 2, 2, 3, 8))
        logits = cache.forward(model, torch.tensor([[5]]), torch.tensor([3]))
    assert logits.isfinite().all()
