"""Keys and values of many rows, each in a slot of its own and as long as it likes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from transformers.cache_utils import Cache

from reachgym.agents.generation.shape import CacheShape

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class SlotCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Slots 0 to B-1 are in the forward pass; each has its own length.

    Attributes:
        shape: What is kept of each token.
        rows: How many slots there are.
        columns: Tokens that each has room for.
    """

    def __init__(self, shape: CacheShape, rows: int, columns: int) -> None:
        super().__init__(layers=[])
        self.shape = shape
        self.rows = rows
        self.columns = columns
        self._slab_L_2_R_H_C_D = shape.slab(rows, columns)
        self._rows_B_1 = torch.arange(rows, device=shape.device)[:, None]
        self._positions_B_T = self._rows_B_1

    @property
    def nbytes(self) -> int:
        """Bytes of all slots."""
        return self._slab_L_2_R_H_C_D.nbytes

    def install(self, slots: Iterable[int], block_L_2_H_N_D: torch.Tensor) -> None:
        """Copy the same keys and values into some slots, and nothing behind them."""
        tokens = block_L_2_H_N_D.shape[3]
        for slot in slots:
            self._slab_L_2_R_H_C_D[:, :, slot, :, :tokens] = block_L_2_H_N_D
            # A masked column still meets the weight 0, and were a NaN left there, 0 * NaN is NaN.
            self._slab_L_2_R_H_C_D[:, :, slot, :, tokens:] = 0

    def block(self, slot: int, tokens: int) -> torch.Tensor:
        """A view of a slot's first tokens, shape (L, 2, H, tokens, D)."""
        return self._slab_L_2_R_H_C_D[:, :, slot, :, :tokens]

    def adopt(self, other: SlotCache, lengths: Sequence[int]) -> None:
        """Copy the first slots of another cache, which hold so many tokens."""
        if lengths:
            rows, tokens = len(lengths), max(lengths)
            source = other._slab_L_2_R_H_C_D[:, :, :rows, :, :tokens]
            self._slab_L_2_R_H_C_D[:, :, :rows, :, :tokens] = source
            self._slab_L_2_R_H_C_D[:, :, :rows, :, tokens:] = 0

    def aim(self, positions_B_T: torch.Tensor) -> None:
        """Say where `update` writes."""
        self._positions_B_T = positions_B_T

    def forward(
        self, model: PreTrainedModel, ids_B_T: torch.Tensor, starts_B: torch.Tensor
    ) -> torch.Tensor:
        """Read tokens into the first slots.

        Args:
            model: Whose cache this is.
            ids_B_T: Tokens to read.
            starts_B: Where each row's tokens go; those before them are attended to.

        Returns:
            Logits after the last of the T tokens, shape (B, V).
        """
        steps_T = torch.arange(ids_B_T.shape[1], device=starts_B.device)
        positions_B_T = starts_B[:, None] + steps_T
        self.aim(positions_B_T)
        logits_B_1_V: torch.Tensor = model(
            input_ids=ids_B_T,
            attention_mask=self.shape.mask(positions_B_T, self.columns),
            # What pads the end of a row may lie beyond the model's last position.
            position_ids=positions_B_T.clamp(max=model.config.max_position_embeddings - 1),
            past_key_values=self,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return logits_B_1_V[:, -1]

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: object,
        **kwargs: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a layer's new tokens; returns all that the rows have in it.

        Columns beyond a row's length are masked, not cut off: what lies in one piece is attended to
        in half the time.
        """
        rows = len(key_states)
        layer_2_B_H_C_D = self._slab_L_2_R_H_C_D[layer_idx, :, :rows]
        where = (self._rows_B_1[:rows], slice(None), self._positions_B_T)
        layer_2_B_H_C_D[0][where] = key_states.transpose(1, 2)
        layer_2_B_H_C_D[1][where] = value_states.transpose(1, 2)
        keys, values = layer_2_B_H_C_D
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns that a pass attends to; positions and mask are given with it."""
        return self.columns
