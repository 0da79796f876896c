"""Draws follow the softmax, and depend on nothing but their own row."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from reachgym.agents.sampling import Decoding, draw, log_distribution, logprobs_of, stream
from reachgym.envs.errors import InputError

LOGITS = torch.tensor([[0.3, -1.0, 2.0, 0.0, -0.5, 2.0, -6.0]])
TRUNCATED = [
    Decoding(top_k=1),
    Decoding(top_k=3),
    Decoding(top_p=0.6),
    Decoding(temperature=0.7, top_p=0.9, top_k=4),
    Decoding(temperature=1.6, top_p=0.99),
]


def by_hand(logits, decoding):
    """The distribution by its definition, one id at a time, shape (V,)."""
    mass = np.exp(np.asarray(logits, np.float64) / decoding.temperature)
    ranked = sorted(range(len(mass)), key=lambda i: (-mass[i], i))[: decoding.top_k]
    total, held, kept = mass[ranked].sum(), 0.0, []
    for token in ranked:
        if held >= decoding.top_p:
            break
        kept.append(token)
        held += mass[token] / total
    probabilities = np.zeros(len(mass))
    probabilities[kept] = mass[kept] / mass[kept].sum()
    return probabilities


def test_draws_follow_the_softmax_of_the_logits_over_the_temperature():
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0, -0.5]])
    for temperature in (0.7, 1.0, 1.6):
        logprobs = log_distribution(logits, Decoding(temperature))
        n = 40_000
        drawn = draw(logprobs.expand(n, -1), torch.from_numpy(stream(11, 0).random(n)))
        expected = np.exp(logits[0].double().numpy() / temperature)
        counts = np.bincount(drawn.numpy(), minlength=5)
        assert chisquare(counts, n * expected / expected.sum()).pvalue > 1e-3


def test_an_id_without_mass_is_never_drawn_even_at_the_ends_of_the_unit_interval():
    logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, 0.0, -torch.inf]]).expand(2, -1)
    ends = torch.tensor([0.0, np.nextafter(1.0, 0.0)])
    assert draw(log_distribution(logits, Decoding()), ends).tolist() == [1, 3]


def test_temperature_zero_puts_all_mass_on_the_largest_logit():
    logits = torch.tensor([[0.0, 3.0, 2.0]])
    assert log_distribution(logits, Decoding(0.0)).exp().tolist() == [[0.0, 1.0, 0.0]]
    scored = logprobs_of(logits.expand(2, -1), torch.tensor([1, 2]), Decoding(0.0))
    assert scored.tolist() == [0.0, -torch.inf]


def test_log_probabilities_are_those_of_the_tempered_softmax():
    logits = torch.randn(6, 9, generator=torch.manual_seed(0))
    ids = torch.tensor([0, 1, 2, 3, 8, 8])
    expected = torch.log_softmax(logits / 0.5, -1)[range(6), ids]
    torch.testing.assert_close(logprobs_of(logits, ids, Decoding(0.5)), expected)


@pytest.mark.parametrize("decoding", TRUNCATED, ids=str)
def test_truncation_gives_the_distribution_of_its_definition(decoding):
    logprobs = log_distribution(LOGITS, decoding)
    assert logprobs.dtype == torch.float32
    np.testing.assert_allclose(logprobs.exp()[0], by_hand(LOGITS[0], decoding), atol=1e-6)
    assert logprobs.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("decoding", TRUNCATED, ids=str)
def test_draws_follow_the_truncated_distribution(decoding):
    n = 40_000
    logprobs = log_distribution(LOGITS, decoding)
    drawn = draw(logprobs.expand(n, -1), torch.from_numpy(stream(12, 0).random(n)))
    expected = by_hand(LOGITS[0], decoding)
    counts = np.bincount(drawn.numpy(), minlength=len(expected))
    assert counts[expected == 0].sum() == 0
    kept = expected > 0
    assert kept.sum() == 1 or chisquare(counts[kept], n * expected[kept]).pvalue > 1e-3


def test_what_was_cut_off_scores_minus_infinity_and_the_rest_as_it_is_drawn():
    ids = torch.arange(7)
    scored = logprobs_of(LOGITS.expand(7, -1), ids, Decoding(top_k=3))
    assert scored.isneginf().tolist() == [False, True, False, True, True, False, True]
    torch.testing.assert_close(scored, log_distribution(LOGITS, Decoding(top_k=3))[0])


def test_of_equal_logits_the_lower_id_is_kept():
    assert log_distribution(LOGITS, Decoding(top_k=1)).exp().argmax() == 2
    flat = log_distribution(torch.zeros(1, 4), Decoding(top_p=0.5)).exp()
    assert flat.tolist() == [[0.5, 0.5, 0.0, 0.0]]
    wide = torch.zeros(1, 5000)
    wide[:, ::7] = 1.0
    kept = log_distribution(wide, Decoding(top_k=800))[0].isfinite().nonzero()[:, 0].tolist()
    assert kept == sorted(sorted(range(5000), key=lambda i: (i % 7 != 0, i))[:800])


def test_truncation_that_keeps_all_changes_no_bit():
    logits = torch.randn(50, 90, generator=torch.manual_seed(1))
    plain = torch.log_softmax(logits, -1)
    assert torch.equal(log_distribution(logits, Decoding()), plain)
    assert torch.equal(log_distribution(logits, Decoding(top_k=90)), plain)


def test_one_rows_truncation_does_not_depend_on_the_rows_beside_it():
    logits = torch.randn(50, 90, generator=torch.manual_seed(2))
    decoding = Decoding(0.8, 0.9, 20)
    together = log_distribution(logits, decoding)
    alone = torch.cat([log_distribution(row[None], decoding) for row in logits])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": 0},
    ],
)
def test_decoding_out_of_range_is_refused(options):
    with pytest.raises(InputError, match="change them"):
        Decoding(**options)


def test_numbers_drawn_one_by_one_are_those_drawn_at_once():
    one_by_one = stream(5, 7)
    assert [one_by_one.random() for _ in range(20)] == stream(5, 7).random(20).tolist()


def test_two_turns_that_share_a_seed_share_no_uniform():
    assert not set(stream(5, 10).random(8)) & set(stream(5, 18).random(8))


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_every_seed_of_the_projects_range_is_taken(seed):
    drawn = stream(seed, 0).random(1000)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert abs(drawn.mean() - 0.5) < 0.05
