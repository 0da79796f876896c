"""Padding, and cutting samples into minibatches and parts."""

import numpy as np
import torch

from reachgym.learners.batch import Sample, by_length, collate, minibatches


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
