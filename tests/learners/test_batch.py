"""Padding, and cutting samples into minibatches and parts."""

import numpy as np
import pytest
import torch

from reachgym.envs.errors import InputError
from reachgym.learners.batch import (
    Sample,
    by_length,
    check_samples,
    collate,
    minibatches,
    parts_for,
)


def test_samples_are_padded_on_the_right_with_no_weight():
    long = Sample(
        np.array([4, 5, 6], np.int32),
        np.array([0, 1, 1], np.float32),
        np.array([0, -1, -2], np.float32),
    )
    short = Sample(np.array([7], np.int32), np.array([1], np.float32))
    batch = collate([long, short], torch.device("cpu"))
    assert batch.ids_B_T.tolist() == [[4, 5, 6], [7, 0, 0]]
    assert batch.weights_B_T.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert batch.logprobs_B_T.tolist() == [[0, -1, -2], [0, 0, 0]]


def of_lengths(*lengths):
    return [Sample(np.zeros(n, np.int32), np.ones(n, np.float32)) for n in lengths]


def test_minibatches_hold_every_sample_once_and_the_last_is_shorter():
    cut = list(minibatches(of_lengths(*range(1, 8)), 3, np.random.default_rng(0)))
    assert [len(indices) for indices in cut] == [3, 3, 1]
    assert sorted(index for indices in cut for index in indices) == list(range(7))


def test_the_order_of_minibatches_follows_the_generator():
    samples = of_lengths(*range(1, 33))
    one, same, other = (
        list(minibatches(samples, 32, np.random.default_rng(seed))) for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_parts_are_of_similar_length_and_hold_every_index_once():
    samples = of_lengths(9, 2, 8, 1, 5)
    assert by_length(samples, [0, 1, 2, 3], 2) == [[3, 1], [2, 0]]
    parts = by_length(samples, range(5), 3)
    assert sorted(index for part in parts for index in part) == list(range(5))


def test_more_parts_than_samples_leave_no_part_empty():
    assert by_length(of_lengths(3, 2), [0, 1], 4) == [[1], [0]]


def test_a_minibatch_is_cut_when_lengths_differ_or_its_logits_are_many():
    alike, mixed = of_lengths(*[80] * 32), of_lengths(*range(20, 52))
    assert parts_for(alike, range(32), 95) == 1
    assert parts_for(mixed, range(32), 95) == 4
    assert parts_for(mixed, range(2), 95) == 1
    assert parts_for(mixed, [0, 31], 95) == 2
    # 32 x 1,000 positions of 100,000 logits are 24 times 2**27.
    assert parts_for(of_lengths(*[1000] * 32), range(32), 100_000) == 24
    assert parts_for(of_lengths(*[5000] * 4), range(4), 100_000) == 4


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ids": [[1, 2, 3]]}, "one shape"),
        ({"ids": [], "weights": [], "logprobs": []}, "T above 0"),
        ({"weights": [0, 1]}, "one shape"),
        ({"logprobs": [0, 1]}, "one shape"),
        ({"ids": [1, 2, 16]}, "got 1 to 16; use the tokenizer"),
        ({"ids": [1, -1, 2]}, "got -1 to 2"),
        ({"weights": [0, 1, np.nan]}, "weights that are finite"),
        ({"weights": [0, 1, -1]}, "0 or more"),
        ({"logprobs": [0, -1, -np.inf]}, "log-probabilities that are not finite"),
    ],
)
def test_a_malformed_sample_is_refused_by_its_place(fields, told):
    whole = {"ids": [1, 2, 3], "weights": [0, 1, 1], "logprobs": [0, -1, -2]}

    def sample(fields):
        ids, weights, logprobs = fields.values()
        floats = (np.array(values, np.float32) for values in (weights, logprobs))
        return Sample(np.array(ids, np.int32), *floats, group="g")

    check_samples([sample(whole), sample({**whole, "logprobs": [np.nan, -1, -2]})], 16)
    with pytest.raises(InputError, match=r"sample 1 \(group 'g'\)") as caught:
        check_samples([sample(whole), sample({**whole, **fields})], 16)
    assert told in str(caught.value)
