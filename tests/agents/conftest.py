"""Rows continued by a decoder of their own."""

import pytest
import torch

from reachgym.agents.generation.decoder import Decoder
from reachgym.agents.generation.shape import cache_shape
from reachgym.agents.sampling import Decoding


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Threads that wait for one another on a busy machine cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def decoder_of():
    """A decoder over a model, by default of the model's own distribution and without a stop."""

    def decoder_of(model, **options):
        defaults = {
            "stop_ids": frozenset(),
            "pad_id": 0,
            "decoding": Decoding(),
            "max_rows": 256,
            "cache_bytes": 2**30,
            "keep": False,
        }
        return Decoder(model, cache_shape(model), **(defaults | options))

    return decoder_of


@pytest.fixture
def generate(decoder_of):
    """What rows sample that are all there from the start."""

    def generate(model, rows, **options):
        decoder = decoder_of(model, **options)
        for key, row in enumerate(rows):
            decoder.add(key, row)
        sampled = {}
        while not decoder.idle:
            sampled.update(decoder.step())
        return [sampled[key] for key in range(len(rows))]

    return generate
