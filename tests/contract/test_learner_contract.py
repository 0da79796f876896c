"""What every learner keeps: it improves, repeats itself, goes on from a state, refuses nonsense."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from reachgym.envs.errors import CheckpointError, InputError
from reachgym.learners.batch import Sample
from reachgym.learners.checkpoint import load_checkpoint, save_checkpoint
from reachgym.learners.losses import token_logprobs
from reachgym.learners.rft import RFTLearner
from reachgym.learners.rl import RLLearner
from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig
from reachgym.learners.sft import SFTLearner

LEARNERS = {
    "sft": (SFTLearner, SFTConfig(minibatch=3, warmup_steps=2, schedule="cosine", total_steps=9)),
    "rft": (RFTLearner, RFTConfig(minibatch=2)),
    "rl": (RLLearner, RLConfig(minibatch=3, epochs=2)),
}


@pytest.fixture(params=LEARNERS)
def make_learner(request):
    kind, config = LEARNERS[request.param]
    return lambda model, seed=0: kind(model, config, seed)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(width=16):
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=16,
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(shape).eval()


def logprob(model, sample):
    with torch.no_grad():
        return token_logprobs(model, torch.tensor(sample.ids[None], dtype=torch.long))[0].numpy()


def attempts(model):
    """Eight attempts at four tasks: of each, one is right."""
    rng = np.random.default_rng(0)
    found = []
    for n in range(8):
        ids = rng.integers(1, 16, size=4 + n % 3).astype(np.int32)
        weights = np.ones(len(ids), np.float32)
        weights[0] = 0
        bare = Sample(ids, weights, reward=float(n % 2), group=str(n // 2))
        found.append(replace(bare, logprobs=np.append(np.float32(0), logprob(model, bare))))
    return found


def same(model, other):
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


def test_what_was_right_becomes_likelier_and_metrics_are_plain_numbers(make_learner):
    model = build()
    samples = attempts(model)
    right = [sample for sample in samples if sample.reward]
    before = sum(logprob(model, sample).sum() for sample in right)
    metrics = make_learner(model).update(samples)
    assert sum(logprob(model, sample).sum() for sample in right) > before
    assert {"loss", "tokens", "steps"} <= metrics.keys()
    assert all(type(value) is float for value in metrics.values())


def test_the_same_samples_and_seed_give_the_same_weights_to_the_last_bit(make_learner):
    one, two = build(), build()
    for model in (one, two):
        learner = make_learner(model, seed=5)
        for _ in range(2):
            learner.update(attempts(build()))
    assert same(one, two)
    assert not same(one, build())


def test_a_training_that_was_saved_goes_on_to_the_last_bit(make_learner, tmp_path):
    samples = attempts(build())
    through, first = build(), build()
    learner, interrupted = make_learner(through), make_learner(first)
    learner.update(samples)
    interrupted.update(samples)
    save_checkpoint(first, interrupted, {"update": 1}, tmp_path / "saved")

    training = load_checkpoint(tmp_path / "saved")
    # Another seed: the order of samples must come from the state.
    resumed = make_learner(training.model, seed=99)
    resumed.restore(training.learner)
    assert training.metadata == {"update": 1}
    for _ in range(2):
        assert resumed.update(samples) == learner.update(samples)
    assert same(training.model, through)


def test_a_state_that_is_saved_is_not_the_start(make_learner, tmp_path):
    samples = attempts(build())
    model = build()
    learner = make_learner(model)
    learner.update(samples)
    save_checkpoint(model, learner, {}, tmp_path / "saved")
    learner.update(samples)
    forgetful = load_checkpoint(tmp_path / "saved").model
    make_learner(forgetful).update(samples)
    assert not same(forgetful, model)


def test_a_state_of_another_model_is_refused(make_learner):
    learner = make_learner(build())
    learner.update(attempts(build()))
    with pytest.raises(CheckpointError, match="beside the model it was saved with"):
        make_learner(build(width=8)).restore(learner.state())


def test_ids_the_model_does_not_know_are_refused_before_anything_changes(make_learner):
    model = build()
    samples = attempts(model)
    samples[3].ids[2] = 16
    with pytest.raises(InputError, match=r"sample 3 .* to 16; use"):
        make_learner(model).update(samples)
    assert same(model, build())
