"""Histories on their way into the cache: read once for all who share them, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from reachgym.agents.generation.kept import Kept
from reachgym.agents.generation.rows import RunningRow
from reachgym.agents.generation.shape import CacheShape
from reachgym.agents.generation.slots import SlotCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Tokens of one forward pass, padding included: while rows run that wait for it, and while none do.
PIECE_TOKENS = 512
LONG_PIECE_TOKENS = 2048


@dataclass(slots=True, eq=False)
class Reading:
    """A history that is being read, for every row that stands on it.

    Attributes:
        ids: All of it but its last token, which each row reads itself.
        block_L_2_H_N_D: Keys and values of what was read.
        rows: Who waits for it.
    """

    ids: tuple[int, ...]
    block_L_2_H_N_D: torch.Tensor
    rows: list[RunningRow] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Tokens that were read."""
        return self.block_L_2_H_N_D.shape[3]

    @property
    def left(self) -> int:
        """Tokens that were not."""
        return len(self.ids) - self.done


class Reader:
    """Reads histories in the order in which they came.

    Attributes:
        read_tokens: Tokens read so far, or about to be.
        reused_tokens: Tokens that need not be read, as others read them.
    """

    def __init__(self, model: PreTrainedModel, shape: CacheShape, pad_id: int) -> None:
        """Take a model.

        Args:
            model: A causal language model in evaluation mode.
            shape: What it keeps of each token.
            pad_id: Fills the end of shorter pieces; never attended to.
        """
        self._model = model
        self._shape = shape
        self._pad_id = pad_id
        self._readings: list[Reading] = []
        self.read_tokens = 0
        self.reused_tokens = 0

    def __len__(self) -> int:
        """How many histories are being read."""
        return len(self._readings)

    def rows(self) -> Iterator[RunningRow]:
        """Everyone who waits for a history."""
        for reading in self._readings:
            yield from reading.rows

    def begin(self, running: RunningRow, kept: Kept | None) -> None:
        """Read a row's history from where something kept leaves off, or join those who do."""
        ids = running.row.history[:-1]
        for reading in self._readings:
            if reading.ids == ids:
                self.reused_tokens += len(ids)
                reading.rows.append(running)
                return
        block = self._shape.slab(1, 0)[:, :, 0] if kept is None else kept.block_L_2_H_N_D
        reading = Reading(ids, block, [running])
        self.reused_tokens += reading.done
        self.read_tokens += reading.left
        self._readings.append(reading)

    def drop(self, key: int) -> None:
        """Forget a row, and its history if nobody else waits for it."""
        for reading in self._readings:
            reading.rows = [running for running in reading.rows if running.key != key]
        self._readings = [reading for reading in self._readings if reading.rows]

    def clear(self) -> None:
        """Forget every row."""
        self._readings.clear()

    def finished(self) -> list[Reading]:
        """Take out what was read to its end."""
        finished = [reading for reading in self._readings if not reading.left]
        self._readings = [reading for reading in self._readings if reading.left]
        return finished

    def read(self, tokens_at_most: int) -> None:
        """Read one piece: of the oldest history, and of others of about its length.

        Args:
            tokens_at_most: Of the forward pass, padding included.
        """
        piece: list[Reading] = []
        tokens = width = 0
        for reading in self._readings:
            left = min(reading.left, tokens_at_most)
            padded = (len(piece) + 1) * max(width, left)
            if not piece or padded <= min(tokens_at_most, 2 * (tokens + left)):
                piece.append(reading)
                tokens, width = tokens + left, max(width, left)
        self._forward(piece, width)

    def _forward(self, piece: Sequence[Reading], width: int) -> None:
        starts = [reading.done for reading in piece]
        ends = [reading.done + min(reading.left, width) for reading in piece]
        ids_U_T = np.full((len(piece), width), self._pad_id)
        cache = SlotCache(self._shape, len(piece), max(starts) + width)
        for place, reading in enumerate(piece):
            new = reading.ids[starts[place] : ends[place]]
            ids_U_T[place, : len(new)] = new
            cache.install([place], reading.block_L_2_H_N_D)
        device = self._shape.device
        ids, first = torch.from_numpy(ids_U_T).to(device), torch.tensor(starts, device=device)
        cache.forward(self._model, ids, first)
        for place, reading in enumerate(piece):
            reading.block_L_2_H_N_D = cache.block(place, ends[place])
