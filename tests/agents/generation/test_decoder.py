"""Rows that come and go in one batch get what a naive loop over one row gives."""

import numpy as np
import pytest
import torch

from reachgym.agents.generation.rows import Row
from reachgym.agents.tiny import TinyConfig, build_tiny

VOCABULARY = 40


@pytest.fixture(scope="module")
def model():
    built = build_tiny(TinyConfig(32, 2, 2, 64, 64), VOCABULARY, seed=3).eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.mul_(3)
    return built


def finish(decoder):
    sampled = {}
    while not decoder.idle:
        sampled.update(decoder.step())
    return sampled


def rows_of(count, seed=0, new=12):
    rng = np.random.default_rng(seed)
    return [
        Row(
            tuple(rng.integers(1, VOCABULARY, rng.integers(1, 30)).tolist()),
            int(rng.integers(1, new + 1)),
            int(rng.integers(2**62)),
        )
        for _ in range(count)
    ]


def test_a_row_draws_the_same_ids_alone_and_in_any_batch(model, generate):
    requests = rows_of(30)
    together = generate(model, requests)
    backwards = generate(model, requests[::-1])[::-1]
    alone = [generate(model, [request])[0] for request in requests]
    assert [row.ids for row in together] == [row.ids for row in alone]
    assert [row.ids for row in backwards] == [row.ids for row in alone]
    for row, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(row.logprobs, single.logprobs, atol=1e-4)


def test_equal_histories_are_read_once_and_drawn_by_their_own_seeds(model, decoder_of):
    decoder = decoder_of(model)
    for key, seed in enumerate((1, 2, 1)):
        decoder.add(key, Row((5, 6, 7), 8, seed))
    rows = finish(decoder)
    assert (decoder.stats.prefilled_tokens, decoder.stats.reused_tokens) == (2, 4)
    assert (decoder.stats.decode_steps, decoder.stats.decoded_tokens) == (8, 24)
    assert rows[0].ids == rows[2].ids
    np.testing.assert_allclose(rows[0].logprobs, rows[2].logprobs, atol=1e-4)
    assert rows[0].ids != rows[1].ids


def test_prompts_beyond_one_chunk_give_the_same_rows(model, generate):
    requests = [Row((1 + i % 39, 1 + i // 39, *[9] * 22), 3, i) for i in range(120)]
    together = generate(model, requests)
    for row, request in zip(together[::17], requests[::17], strict=True):
        assert row.ids == generate(model, [request])[0].ids


def test_a_row_ends_at_its_stop_id_or_at_its_limit_and_the_others_go_on(model, generate):
    requests = rows_of(40, seed=1, new=20)
    free = generate(model, requests)
    stop_ids = frozenset(range(6))
    stopped = generate(model, requests, stop_ids=stop_ids)
    for request, all_ids, row in zip(requests, free, stopped, strict=True):
        stops = [i for i, token in enumerate(all_ids.ids) if token in stop_ids]
        length = stops[0] + 1 if stops else request.max_new_tokens
        assert row.ids == all_ids.ids[:length]
        assert row.stopped == bool(stops)
    assert 0 < sum(row.stopped for row in stopped) < len(stopped)


def test_rows_stay_right_when_most_others_have_ended_long_before(model, generate):
    requests = [Row((3,) * 25, 1, i) for i in range(60)] + [Row((4, 8), 30, 7)]
    requests.append(Row((4, 8, 2), 20, 8))
    together = generate(model, requests)
    assert together[-2].ids == generate(model, requests[-2:-1])[0].ids
    assert together[-1].ids == generate(model, requests[-1:])[0].ids


def test_a_row_may_fill_the_model_to_its_last_position(model, generate):
    (row,) = generate(model, [Row((1,) * 60, 4, 0)])
    assert len(row.ids) == 4
