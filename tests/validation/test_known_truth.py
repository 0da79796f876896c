"""The verdict on models whose truth was built in: `benchmarks/known_truth.py` tries more seeds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from known_models import RULES, Builder, Known

from reachgym.support import Claim, Label, task_labels


@pytest.fixture(scope="module", params=[0, 1], ids="seed-{}".format)
def builder(request):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Builder(request.param)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unlocked(builder) -> Known:
    return builder.unlocked()


@pytest.fixture(scope="module")
def taught(builder) -> Known:
    return builder.taught()


def mean_rate(counts) -> float:
    return sum(row.c / row.n for row in counts) / len(counts)


def share_labelled(counts, label) -> float:
    return float(np.mean(task_labels(counts, RULES.attempts, RULES.alpha) == label))


def test_the_base_has_the_skill_and_hides_it(builder, unlocked):
    assert mean_rate(builder.with_password()) > 0.9
    assert 0.03 < mean_rate(unlocked.base) < 0.12


def test_the_hidden_skill_is_in_reach_task_by_task(unlocked):
    assert share_labelled(unlocked.base, Label.IN_REACH) > 0.95
    assert share_labelled(unlocked.base, Label.OUT_OF_REACH) == 0.0


def test_unlocking_a_hidden_skill_is_elicitation(unlocked):
    assert mean_rate(unlocked.arm) > 0.9
    assert unlocked.verdict.claims == (Claim.ELICITATION,)
    assert unlocked.right


def test_a_base_that_never_showed_the_skill_would_not_be_elicited(unlocked):
    hidden = [dataclasses.replace(row, c=0) for row in unlocked.base]
    assert Claim.ELICITATION not in dataclasses.replace(unlocked, base=hidden).verdict.claims


def test_a_base_without_the_information_would_make_unlocking_creation(unlocked):
    locked = [dataclasses.replace(row, c=0, chance_bounds=True) for row in unlocked.base]
    assert dataclasses.replace(unlocked, base=locked).verdict.claims == (Claim.CREATION,)


def test_teaching_fresh_facts_is_creation(taught):
    assert share_labelled(taught.base, Label.OUT_OF_REACH) == 1.0
    assert mean_rate(taught.base) == 0.0
    assert mean_rate(taught.arm) > 0.9
    assert taught.verdict.claims == (Claim.CREATION,)
    assert taught.right


def test_a_base_that_was_not_taught_created_nothing(taught):
    untaught = dataclasses.replace(taught, arm=taught.base)
    assert untaught.verdict.claims == (Claim.INCONCLUSIVE,)


def test_a_base_that_knew_the_facts_refutes_the_declared_chance(taught):
    knowing = [dataclasses.replace(row, c=row.n) for row in taught.base]
    assert dataclasses.replace(taught, base=knowing).verdict.claims == (Claim.INCONCLUSIVE,)


def test_a_base_left_alone_is_neither(builder):
    left_alone = builder.left_alone()
    assert left_alone.verdict.claims == (Claim.INCONCLUSIVE,)
    assert left_alone.right
