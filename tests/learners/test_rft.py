"""RFT: which attempts are learnt from."""

import pytest

from reachgym.learners.rft import RFTLearner, successes
from reachgym.learners.settings import RFTConfig


def test_successes_only_are_learnt_from(make_model, make_sample, snapshot, score):
    won = make_sample([1, 2, 3, 4], reward=1.0)
    lost = make_sample([1, 2, 8, 9], reward=0.5)
    mixed, pure = make_model(), make_model()
    before = score(mixed, won.ids).sum()
    metrics = RFTLearner(mixed, RFTConfig()).update([lost, won, lost])
    assert metrics == {**RFTLearner(pure, RFTConfig()).update([won]), "kept": 1}
    assert snapshot(mixed) == snapshot(pure)
    assert score(mixed, won.ids).sum() > before


def test_without_a_success_nothing_changes(make_model, make_sample, snapshot):
    model = make_model()
    before = snapshot(model)
    metrics = RFTLearner(model, RFTConfig(weight_decay=0.1)).update([make_sample([1, 2, 3])])
    assert metrics == {"loss": 0, "tokens": 0, "steps": 0, "kept": 0}
    assert snapshot(model) == before


def test_a_success_has_at_least_the_reward_asked_for(make_sample):
    low, high = make_sample([1, 2], reward=0.5), make_sample([1, 3], reward=0.9)
    assert successes([low, high], RFTConfig(success_reward=0.5)) == [low, high]
    assert successes([low, high], RFTConfig(success_reward=0.6)) == [high]


@pytest.mark.parametrize(("most", "kept"), [(0, [0, 1, 2, 3]), (1, [0, 2]), (2, [0, 1, 2, 3])])
def test_a_group_gives_its_first_successes_up_to_the_most(make_sample, most, kept):
    samples = [make_sample([1, 2 + n], reward=1.0, group="aabb"[n]) for n in range(4)]
    assert successes(samples, RFTConfig(max_per_group=most)) == [samples[n] for n in kept]


def test_equal_successes_at_a_task_count_once_when_asked(make_sample):
    rows = [([1, 2], "a"), ([1, 2], "a"), ([1, 3], "a"), ([1, 2], "b"), ([1, 2, 3], "a")]
    samples = [make_sample(ids, reward=1.0, group=group) for ids, group in rows]
    assert successes(samples, RFTConfig()) == samples
    once = [samples[n] for n in (0, 2, 3, 4)]
    assert successes(samples, RFTConfig(deduplicate=True)) == once
    capped = RFTConfig(deduplicate=True, max_per_group=2)
    assert successes(samples, capped) == [samples[n] for n in (0, 2, 3)]
