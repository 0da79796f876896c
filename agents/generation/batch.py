"""The rows that run: each in a slot, one token for all of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from reachgym.agents.generation.llama import is_plain_llama, read_token
from reachgym.agents.generation.reading import Reading
from reachgym.agents.generation.rows import RunningRow, Sampled
from reachgym.agents.generation.shape import CacheShape
from reachgym.agents.generation.slots import SlotCache
from reachgym.agents.sampling import Decoding, draw, log_distribution

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BLOCK_TOKENS = 32


def whole_blocks(tokens: int) -> int:
    """Columns of slots that hold so many tokens; slots grow by blocks, so that they seldom do."""
    return -(-tokens // _BLOCK_TOKENS) * _BLOCK_TOKENS


class Batch:
    """Rows in slots 0 to B-1.

    Attributes:
        rows: Each at its slot.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        shape: CacheShape,
        *,
        stop_ids: frozenset[int],
        decoding: Decoding,
        max_bytes: int,
    ) -> None:
        """Take a model.

        Args:
            model: A causal language model in evaluation mode.
            shape: What it keeps of each token.
            stop_ids: Ids that end a row; the stop id is kept.
            decoding: The distribution that is sampled.
            max_bytes: Slots that nobody needs yet are no reason to take more.
        """
        self._model = model
        self._shape = shape
        self._stop_ids = stop_ids
        self._decoding = decoding
        self._max_bytes = max_bytes
        self._plain_llama = is_plain_llama(model, shape)
        self._slots = SlotCache(shape, 0, 0)
        self.rows: list[RunningRow] = []

    @property
    def nbytes(self) -> int:
        """Bytes of all slots."""
        return self._slots.nbytes

    def clear(self) -> None:
        """Forget every row, and give up the slots."""
        self.rows = []
        self._slots = SlotCache(self._shape, 0, 0)

    def enter(self, readings: Sequence[Reading]) -> None:
        """Let rows run whose histories were read."""
        first = len(self.rows)
        for reading in readings:
            self.rows += reading.rows
        self._fit([row.length for row in self.rows], entered=first)
        for reading in readings:
            beyond = first + len(reading.rows)
            self._slots.install(range(first, beyond), reading.block_L_2_H_N_D)
            first = beyond

    def block(self, slot: int) -> torch.Tensor:
        """A copy of a row's keys and values, shape (L, 2, H, N, D)."""
        return self._slots.block(slot, self.rows[slot].length).clone()

    def leave(self, slots: Sequence[int]) -> None:
        """Free slots; the last rows move into the gaps."""
        for slot in sorted(slots, reverse=True):
            last = self.rows.pop()
            if slot < len(self.rows):
                self.rows[slot] = last
                self._slots.install([slot], self._slots.block(len(self.rows), last.length))

    def sample(self) -> list[tuple[int, Sampled | Exception]]:
        """Read every row's newest token and sample the next.

        Returns:
            The rows that ended, by slot; they are still there.
        """
        lengths = [row.length for row in self.rows]
        self._fit(lengths, entered=len(lengths))
        # One copy to the device and one back: each costs a wait there.
        given_3_B = torch.tensor(
            [
                [row.newest for row in self.rows],
                lengths,
                [row.uniforms.random() for row in self.rows],
            ],
            dtype=torch.float64,
        ).to(self._shape.device)
        ids_B, starts_B = given_3_B[:2].long()
        if self._plain_llama:
            logits_B_V = read_token(self._model, self._slots, ids_B, starts_B)
        else:
            logits_B_V = self._slots.forward(self._model, ids_B[:, None], starts_B)
        logprobs_B_V = log_distribution(self._constrained(logits_B_V), self._decoding)
        ids_B = draw(logprobs_B_V, given_3_B[2])
        drawn_B = logprobs_B_V.gather(1, ids_B[:, None])[:, 0]
        ids, logprobs = torch.stack((ids_B.double(), drawn_B.double())).tolist()
        return self._take(ids, logprobs)

    def _fit(self, lengths: Sequence[int], entered: int) -> None:
        """Give every row a slot with room for its newest token, and little more.

        Args:
            lengths: Tokens of each row that are in the cache, or will be.
            entered: How many of the rows are in a slot already.
        """
        needed = len(lengths)
        columns = whole_blocks(max(lengths) + 1)
        # Every step attends to all columns that there are.
        slots = self._slots
        tight = 3 * slots.columns <= 4 * columns and slots.rows <= 4 * needed
        if tight and columns <= slots.columns and needed <= slots.rows:
            return
        # Some more than needed, as rows may come one by one.
        affordable = self._max_bytes // (columns * self._shape.token_bytes)
        rows = max(needed, min(needed + needed // 4, affordable))
        fitting = SlotCache(self._shape, rows, columns)
        fitting.adopt(slots, lengths[:entered])
        self._slots = fitting

    def _constrained(self, logits_B_V: torch.Tensor) -> torch.Tensor:
        """The logits with -inf where an id is not allowed; the rest is tempered and truncated."""
        if all(row.allowed_V is None for row in self.rows):
            return logits_B_V
        forbidden_B_V = np.zeros(logits_B_V.shape, np.bool_)
        for slot, row in enumerate(self.rows):
            if row.allowed_V is not None:
                # Ids that a grammar does not know are not allowed.
                forbidden_B_V[slot] = True
                forbidden_B_V[slot, : len(row.allowed_V)] = ~row.allowed_V
        forbidden = torch.from_numpy(forbidden_B_V).to(logits_B_V.device)
        return logits_B_V.masked_fill(forbidden, -torch.inf)

    def _take(
        self, ids: Sequence[float], logprobs: Sequence[float]
    ) -> list[tuple[int, Sampled | Exception]]:
        """Give every row its token."""
        ended: list[tuple[int, Sampled | Exception]] = []
        for slot, row in enumerate(self.rows):
            token = int(ids[slot])
            try:
                row.take(token, logprobs[slot])
            except Exception as error:
                ended.append((slot, error))
                continue
            if token in self._stop_ids:
                ended.append((slot, row.sampled(stopped=True)))
            elif row.left == 0:
                ended.append((slot, row.sampled(stopped=False)))
        return ended
