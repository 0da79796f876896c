"""Keys and values that are kept for later, the least recently used given up first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

import torch

# A conversation's ticket, or the ids of a prompt that several share.
Key: TypeAlias = "int | tuple[int, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What was read of some tokens.

    Attributes:
        ids: The tokens, N of them.
        block_L_2_H_N_D: Their keys and values.
    """

    ids: tuple[int, ...]
    block_L_2_H_N_D: torch.Tensor

    def begins(self, ids: tuple[int, ...]) -> bool:
        """Whether these tokens are the first of others."""
        return ids[: len(self.ids)] == self.ids


class KeptCaches:
    """Kept caches by key, in the order of their last use."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = 0
        self._limit_bytes = 0
        self.evictions = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return self._bytes

    def put(self, key: Key, kept: Kept) -> None:
        """Keep a cache, in place of an older one under its key, as long as there is room."""
        self.drop(key)
        self._kept[key] = kept
        self._bytes += kept.block_L_2_H_N_D.nbytes
        self.limit(self._limit_bytes)

    def get(self, key: Key) -> Kept | None:
        """What is kept under a key, used now."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def drop(self, key: Key) -> None:
        """Give up what is kept under a key, if anything is."""
        if (kept := self._kept.pop(key, None)) is not None:
            self._bytes -= kept.block_L_2_H_N_D.nbytes

    def limit(self, limit_bytes: int) -> None:
        """Give up what was used longest ago until the rest fits, now and from now on."""
        self._limit_bytes = limit_bytes
        while self._kept and self._bytes > limit_bytes:
            self.drop(next(iter(self._kept)))
            self.evictions += 1

    def clear(self) -> None:
        """Give up everything."""
        self._kept.clear()
        self._bytes = 0
