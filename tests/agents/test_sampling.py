"""Draws follow the softmax, and depend on nothing but their own row."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from reachgym.agents.sampling import draw, log_distribution, logprobs_of, uniforms


def test_draws_follow_the_softmax_of_the_logits_over_the_temperature():
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0, -0.5]])
    for temperature in (0.7, 1.0, 1.6):
        logprobs = log_distribution(logits, temperature)
        n = 40_000
        drawn = draw(logprobs.expand(n, -1), torch.from_numpy(uniforms([11], [0], [n])[0]))
        expected = np.exp(logits[0].double().numpy() / temperature)
        counts = np.bincount(drawn.numpy(), minlength=5)
        assert chisquare(counts, n * expected / expected.sum()).pvalue > 1e-3


def test_an_id_without_mass_is_never_drawn_even_at_the_ends_of_the_unit_interval():
    logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, 0.0, -torch.inf]]).expand(2, -1)
    ends = torch.tensor([0.0, np.nextafter(1.0, 0.0)])
    assert draw(log_distribution(logits, 1.0), ends).tolist() == [1, 3]


def test_temperature_zero_puts_all_mass_on_the_largest_logit():
    logits = torch.tensor([[0.0, 3.0, 2.0]])
    assert log_distribution(logits, 0.0).exp().tolist() == [[0.0, 1.0, 0.0]]
    scored = logprobs_of(logits.expand(2, -1), torch.tensor([1, 2]), 0.0)
    assert scored.tolist() == [0.0, -torch.inf]


def test_log_probabilities_are_those_of_the_tempered_softmax():
    logits = torch.randn(6, 9, generator=torch.manual_seed(0))
    ids = torch.tensor([0, 1, 2, 3, 8, 8])
    expected = torch.log_softmax(logits / 0.5, -1)[range(6), ids]
    torch.testing.assert_close(logprobs_of(logits, ids, 0.5), expected)


def test_a_rows_uniforms_do_not_depend_on_the_rows_beside_it():
    alone = uniforms([5], [7], [3])
    beside = uniforms([9, 5, 5], [7, 7, 8], [6, 3, 3])
    assert beside[1, :3].tolist() == alone[0].tolist()
    assert beside[1, 3:].tolist() == [0, 0, 0]
    assert not set(beside[2, :3]) & set(alone[0])


def test_two_turns_that_share_a_seed_share_no_uniform():
    first, second = uniforms([5], [10], [8]), uniforms([5], [18], [8])
    assert not set(first[0]) & set(second[0])


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_every_seed_of_the_projects_range_is_taken(seed):
    drawn = uniforms([seed], [0], [1000])
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert abs(drawn.mean() - 0.5) < 0.05
