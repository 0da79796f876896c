"""A key-value cache with room for all new tokens from the start, whose rows can be picked."""

from __future__ import annotations

from collections.abc import Sequence

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
        # Zeros, not garbage: a masked column still meets the weight 0, and 0 * NaN is NaN.
        rows, heads, _, size = like.shape
        return like.new_zeros((rows, heads, self.capacity_tokens, size))


class RoomyCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """A `RoomyLayer` for every layer of a model."""

    def __init__(self, layers: int, capacity_tokens: int) -> None:
        self.roomy = [RoomyLayer(capacity_tokens) for _ in range(layers)]
        self.capacity_tokens = capacity_tokens
        super().__init__(layers=self.roomy)

    def pick(self, rows_B: torch.Tensor, skip_tokens: int) -> RoomyCache:
        """A copy of some rows without the first `skip_tokens` columns."""
        copy = RoomyCache(len(self.roomy), self.capacity_tokens - skip_tokens)
        for layer, source in zip(copy.roomy, self.roomy, strict=True):
            layer.length = source.length - skip_tokens
            layer.keys = source.keys[rows_B, :, skip_tokens:]
            layer.values = source.values[rows_B, :, skip_tokens:]
            layer.is_initialized = True
        return copy


def join(parts: Sequence[RoomyCache], rows_B: torch.Tensor, capacity_tokens: int) -> RoomyCache:
    """One cache of chosen rows, right-aligned, from caches of different lengths.

    Args:
        parts: Full caches; their rows are numbered through, the first part's first.
        rows_B: Rows to take, perhaps repeated, shape (B,).
        capacity_tokens: Columns of the result.
    """
    joined = RoomyCache(len(parts[0].roomy), capacity_tokens)
    for index, layer in enumerate(joined.roomy):
        layer.length = max(part.capacity_tokens for part in parts)
        layer.keys = _joined([part.roomy[index].keys for part in parts], rows_B, layer)
        layer.values = _joined([part.roomy[index].values for part in parts], rows_B, layer)
        layer.is_initialized = True
    return joined


def _joined(
    sources: Sequence[torch.Tensor], rows_B: torch.Tensor, layer: RoomyLayer
) -> torch.Tensor:
    _, heads, _, size = sources[0].shape
    target = sources[0].new_zeros((len(rows_B), heads, layer.capacity_tokens, size))
    first = 0
    for source in sources:
        chosen = ((rows_B >= first) & (rows_B < first + len(source))).nonzero()[:, 0]
        start = layer.length - source.shape[2]
        target[chosen, :, start : layer.length] = source[rows_B[chosen] - first]
        first += len(source)
    return target
