"""Tiny seeded models, samples, and a way to watch the gradient that an update makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from reachgym.learners.batch import Sample
from reachgym.learners.losses import token_logprobs

VOCABULARY = 16


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_model():
    def make(seed: int = 0) -> LlamaForCausalLM:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=True,
        )
        return LlamaForCausalLM(config).eval()

    return make


@pytest.fixture
def score():
    """Log-probabilities of a sequence's ids, 0 for the first, shape (T,)."""

    def score(model, ids) -> np.ndarray:
        with torch.no_grad():
            logprobs = token_logprobs(model, torch.tensor([list(ids)]))[0]
        return np.concatenate([[0.0], logprobs.numpy()]).astype(np.float32)

    return score


@pytest.fixture
def make_sample(score):
    """A sample of which the first `prompt` ids are the environment's, sampled by `model`."""

    def make(ids, *, prompt: int = 1, model=None, reward: float = 0.0, group: str = "") -> Sample:
        weights = np.array([0.0] * prompt + [1.0] * (len(ids) - prompt), np.float32)
        logprobs = None if model is None else score(model, ids) * weights
        return Sample(np.array(ids, np.int32), weights, logprobs, reward, group)

    return make


@pytest.fixture
def watch_gradient():
    """Sums what flows into a model's parameters, by name, from this call on."""

    def watch(model) -> dict[str, torch.Tensor]:
        sums = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
        for name, parameter in model.named_parameters():
            parameter.register_hook(sums[name].add_)
        return sums

    return watch


@pytest.fixture
def snapshot():
    """A copy of a model's weights, and whether two copies are equal to the last bit."""

    class Snapshot:
        def __init__(self, model) -> None:
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Snapshot) and all(
                torch.equal(value, other.weights[name]) for name, value in self.weights.items()
            )

        __hash__ = None

    return Snapshot
