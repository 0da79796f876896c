"""Rows that join at any step follow the model's own distribution."""

import numpy as np
import torch
from scipy.stats import chisquare

from reachgym.agents.generation.rows import Row
from reachgym.agents.sampling import Decoding

PROMPT = (5, 6, 7, 8, 9, 10)
TEMPERATURE, KEPT = 0.6, 4
ROWS = 4000


@torch.no_grad()
def next_of(model, ids):
    """The probability of each of the likeliest ids, from a pass over the whole."""
    top = model(torch.tensor([ids])).logits[0, -1].double().topk(KEPT)
    rates = (top.values / TEMPERATURE).softmax(0)
    return dict(zip(top.indices.tolist(), rates.tolist(), strict=True))


def test_pairs_of_tokens_come_as_often_as_the_model_says(tiny, decoder_of):
    model = tiny("llama")
    decoder = decoder_of(model, decoding=Decoding(TEMPERATURE, top_k=KEPT), keep=True)
    sampled = {}
    for key in range(ROWS):
        decoder.add(key, Row(PROMPT, 2, key, opens=True))
        if key % 37 == 0:
            sampled.update(decoder.step())
    while not decoder.idle:
        sampled.update(decoder.step())
    assert decoder.stats.prefilled_tokens == len(PROMPT) - 1, "read once"
    expected = {
        (first, second): p * q
        for first, p in next_of(model, [*PROMPT]).items()
        for second, q in next_of(model, [*PROMPT, first]).items()
    }
    drawn = [sampled[key].ids for key in range(ROWS)]
    assert set(drawn) <= set(expected)
    often = [pair for pair, rate in expected.items() if ROWS * rate >= 5]
    counts = np.array([drawn.count(pair) for pair in often])
    rates = np.array([expected[pair] for pair in often])
    seldom = ROWS - counts.sum()
    assert abs(seldom - ROWS * (1 - rates.sum())) < 20
    assert chisquare(counts, counts.sum() * rates / rates.sum()).pvalue > 1e-3
