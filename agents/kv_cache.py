"""A key-value cache with room for all new tokens from the start, whose rows can be picked."""

from __future__ import annotations

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class RoomyLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
    """One layer's keys and values, shape (B, heads, capacity, head size), filled to `length`."""

    is_sliding = False

    def __init__(self, capacity_tokens: int) -> None:
        super().__init__()
        self.capacity_tokens = capacity_tokens
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate both tensors once their shapes are known."""
        self.keys = self._room(key_states)
        self.values = self._room(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new tokens in place; returns all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def pick(self, rows_B: torch.Tensor, skip_tokens: int, capacity_tokens: int) -> RoomyLayer:
        """A copy of some rows, perhaps repeated, without the first `skip_tokens` columns."""
        copy = RoomyLayer(capacity_tokens)
        copy.length = self.length - skip_tokens
        copy.keys = copy._picked(self.keys[:, :, skip_tokens : self.length], rows_B)
        copy.values = copy._picked(self.values[:, :, skip_tokens : self.length], rows_B)
        copy.is_initialized = True
        return copy

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that attention will see, and the first one's index."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Columns filled so far."""
        return self.length

    def get_max_length(self) -> int:
        """Columns there is room for."""
        return self.capacity_tokens

    def _room(self, like: torch.Tensor) -> torch.Tensor:
        rows, heads, _, size = like.shape
        return like.new_empty((rows, heads, self.capacity_tokens, size))

    def _picked(self, source: torch.Tensor, rows_B: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = source.shape
        picked = source.new_empty((len(rows_B), heads, self.capacity_tokens, size))
        picked[:, :, : self.length] = source[rows_B]
        return picked


class RoomyCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """A `RoomyLayer` for every layer of a model."""

    def __init__(self, layers: list[RoomyLayer]) -> None:
        super().__init__(layers=layers)
        self._roomy = layers

    @classmethod
    def empty(cls, layers: int, capacity_tokens: int) -> RoomyCache:
        """A cache of so many layers that allocates when first used."""
        return cls([RoomyLayer(capacity_tokens) for _ in range(layers)])

    def pick(self, rows_B: torch.Tensor, skip_tokens: int, capacity_tokens: int) -> RoomyCache:
        """A copy of some rows, perhaps repeated, without the first `skip_tokens` columns."""
        return RoomyCache(
            [layer.pick(rows_B, skip_tokens, capacity_tokens) for layer in self._roomy]
        )
