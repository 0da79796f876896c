"""Rows that come and go in one batch get what a naive loop over one row gives."""

import numpy as np
import pytest
import torch

from reachgym.agents.generation.rows import Row
from reachgym.agents.sampling import Decoding, draw, log_distribution, stream
from reachgym.agents.tiny import TinyConfig, build_tiny
from reachgym.envs.errors import InputError

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


def test_draws_are_those_of_a_naive_loop_over_the_rows_own_stream(model, generate):
    for row in rows_of(12, seed=9):
        numbers = stream(row.seed, len(row.history)).random(row.max_new_tokens)
        ids = list(row.history)
        for number in numbers:
            with torch.no_grad():
                logits = model(torch.tensor([ids]), use_cache=False).logits[:, -1]
            logprobs = log_distribution(logits, Decoding())
            ids.append(int(draw(logprobs, torch.tensor([number]))))
        assert generate(model, [row])[0].ids == tuple(ids[len(row.history) :])


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


def test_rows_that_join_while_others_run_draw_what_they_draw_alone(model, decoder_of, generate):
    rows = rows_of(24, seed=5)
    decoder = decoder_of(model, max_rows=5)
    sampled = {}
    for key, row in enumerate(rows):
        decoder.add(key, row)
        sampled.update(decoder.step())
        assert decoder.stats.running <= 5
    sampled |= finish(decoder)
    assert [sampled[key].ids for key in range(24)] == [row.ids for row in generate(model, rows)]


def test_a_freed_place_is_taken_at_the_next_step(model, decoder_of):
    decoder = decoder_of(model, max_rows=2)
    for key, tokens in enumerate((1, 9, 1)):
        decoder.add(key, Row((4, 5), tokens, 0))
    assert [key for key, _ in decoder.step()] == [0]
    assert (decoder.stats.running, decoder.stats.waiting) == (1, 1)
    assert [key for key, _ in decoder.step()] == [2]


def test_a_long_history_is_read_in_pieces_beside_rows_that_take_a_token_each(decoder_of, generate):
    model = build_tiny(TinyConfig(32, 2, 2, 64, 2048), VOCABULARY, seed=3)
    long, short = Row((7, 8) * 800, 3, 1), Row((9,) * 4, 12, 2)
    decoder = decoder_of(model)
    decoder.add(0, short)
    decoder.step()
    decoder.add(1, long)
    for step in range(1, 4):
        assert decoder.step() == []
        assert decoder.stats.decoded_tokens == 1 + step, "one row runs, the other is read"
    sampled = finish(decoder)
    assert [sampled[0].ids, sampled[1].ids] == [row.ids for row in generate(model, [short, long])]


def test_a_dropped_row_returns_nothing_and_the_others_go_on(model, decoder_of, generate):
    rows = [Row((3 + key,), 10, key) for key in range(6)]
    decoder = decoder_of(model, max_rows=4)
    for key, row in enumerate(rows):
        decoder.add(key, row)
    decoder.step()
    for key in (0, 2, 5):
        decoder.drop(key)
    sampled = finish(decoder)
    assert sorted(sampled) == [1, 3, 4]
    alone = generate(model, rows)
    assert all(sampled[key].ids == alone[key].ids for key in sampled)


def turns_of(decoder, count, turns=4, seed=0):
    """Conversations side by side; each history is all that was said and a few ids more."""
    rng = np.random.default_rng(seed)
    histories = {key: tuple(rng.integers(1, VOCABULARY, 3 + key).tolist()) for key in range(count)}
    said = []
    for turn in range(turns):
        for key, history in histories.items():
            decoder.add(key, Row(history, 3, turn, opens=turn == 0))
        sampled = finish(decoder)
        said.append([sampled[key].ids for key in histories])
        for key, history in histories.items():
            reply = tuple(rng.integers(1, VOCABULARY, 4).tolist())
            histories[key] = history + sampled[key].ids + reply
    return said


def test_a_conversation_reads_only_what_is_new_in_it(model, decoder_of):
    keeping, forgetful = decoder_of(model, keep=True), decoder_of(model)
    assert turns_of(keeping, 3) == turns_of(forgetful, 3)
    openings = sum(3 + key - 1 for key in range(3))
    # A turn's last token was not read yet; the newest is read as the first is sampled.
    assert keeping.stats.prefilled_tokens == openings + 3 * 3 * 4
    assert keeping.stats.reused_tokens > 0 == forgetful.stats.reused_tokens
    assert forgetful.stats.kept_bytes == 0


def test_what_finds_no_room_is_given_up_the_oldest_first_and_read_again(model, decoder_of):
    roomy = decoder_of(model, keep=True)
    said = turns_of(roomy, 4)
    assert roomy.stats.evictions == 0
    for share in (0.7, 0.4, 0):
        tight = decoder_of(model, keep=True, cache_bytes=int(share * roomy.stats.kept_bytes))
        assert turns_of(tight, 4) == said
        assert tight.stats.evictions > 0
        assert tight.stats.kept_bytes <= share * roomy.stats.kept_bytes
        assert tight.stats.prefilled_tokens > roomy.stats.prefilled_tokens


def test_rows_wait_for_memory_and_one_alone_never_does(model, decoder_of, generate):
    rows = rows_of(9, seed=7)
    slot_bytes = 64 * 2 * 2 * 32 * 4
    for slots in (0, 1, 3):
        decoder = decoder_of(model, cache_bytes=slots * slot_bytes)
        for key, row in enumerate(rows):
            decoder.add(key, row)
        sampled = {}
        while not decoder.idle:
            sampled.update(decoder.step())
            assert decoder.stats.running <= max(1, 2 * slots), "half a slot is the least"
        assert [sampled[key].ids for key in range(9)] == [row.ids for row in generate(model, rows)]


def test_memory_that_a_row_did_not_need_is_left_to_what_is_kept(model, decoder_of):
    decoder = decoder_of(model, keep=True, cache_bytes=32 * 2 * 2 * 32 * 4)
    decoder.add(0, Row((5, 6, 7), 3, 0))
    finish(decoder)
    assert decoder.stats.kept_bytes == 5 * 2 * 2 * 32 * 4


def test_a_kept_cache_serves_no_history_that_begins_otherwise(model, decoder_of, generate):
    decoder = decoder_of(model, keep=True)
    first, other = Row((5, 6, 7, 8), 3, 0), Row((5, 6, 9, 8, 1, 1, 1, 1, 1, 1), 3, 0)
    decoder.add(0, first)
    finish(decoder)
    decoder.add(0, other)
    assert finish(decoder)[0].ids == generate(model, [other])[0].ids
    assert decoder.stats.reused_tokens == 0


def test_a_prompts_cache_serves_attempts_that_come_later(model, decoder_of):
    decoder = decoder_of(model, keep=True)
    prompt = (5, 6, 7, 8, 9)
    for key in range(4):
        decoder.add(key, Row(prompt, 3, key, opens=True))
        finish(decoder)
        decoder.drop(key)
    assert (decoder.stats.prefilled_tokens, decoder.stats.reused_tokens) == (4, 12)
    assert decoder.stats.kept_bytes == 4 * 2 * 2 * 32 * 4, "the prompt alone"


def test_a_grammar_that_fails_ends_its_own_row_alone(model, decoder_of, generate):
    class Broken:
        def start(self):
            return 0

        def allowed(self, state):
            return None

        def advance(self, state, token):
            if state == 2:
                raise ValueError("no way on")
            return state + 1

    free = Row((4, 5), 8, 1)
    decoder = decoder_of(model)
    decoder.add(0, Row((4, 5), 8, 2, Broken()))
    decoder.add(1, free)
    sampled = finish(decoder)
    assert str(sampled[0]) == "no way on"
    assert sampled[1].ids == generate(model, [free])[0].ids


@pytest.mark.parametrize(("history", "tokens"), [((), 3), ((1,), 0)])
def test_a_row_that_cannot_go_on_is_refused(history, tokens):
    with pytest.raises(InputError, match="expected a history and room"):
        Row(history, tokens, 0)
