"""What a model keeps of each token, and which tokens its layers look back at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from transformers.cache_utils import DynamicCache, get_layer_types_and_kwargs

from reachgym.envs.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Attention that takes a mask for each row; others need rows of one length, or packed ones.
_MASKED_ATTENTION = ("sdpa", "eager")

_FULL, _SLIDING = "full_attention", "sliding_attention"

# What a model takes: one mask for all layers, or one for each kind of layer.
Mask: TypeAlias = "torch.Tensor | dict[str, torch.Tensor]"


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What a model keeps of each token.

    Attributes:
        layers: Layers with attention.
        heads: Heads of keys and values.
        size: Numbers in a key, and in a value.
        dtype: Of these numbers.
        device: Where they are.
        full: Whether there are layers that attend to all earlier tokens.
        window: Tokens that the other layers attend to; None where there are no others.
    """

    layers: int
    heads: int
    size: int
    dtype: torch.dtype
    device: torch.device
    full: bool = True
    window: int | None = None

    @property
    def token_bytes(self) -> int:
        """Bytes of one token's keys and values."""
        return 2 * self.layers * self.heads * self.size * self.dtype.itemsize

    def slab(self, rows: int, tokens: int) -> torch.Tensor:
        """Room for keys and values, not filled yet, shape (L, 2, rows, H, tokens, D)."""
        shape = (self.layers, 2, rows, self.heads, tokens, self.size)
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def mask(self, positions_B_T: torch.Tensor, columns: int) -> Mask:
        """What is added to attention scores, each of shape (B, 1, T, columns): 0 or -inf.

        Args:
            positions_B_T: Of the tokens that look back.
            columns: Positions that there are to look at.
        """
        everything = self.causal_mask(positions_B_T, columns)
        if self.window is None:
            return everything
        oldest_B_1_T_1 = positions_B_T[:, None, :, None] - self.window + 1
        outside_B_1_T_S = torch.arange(columns, device=self.device) < oldest_B_1_T_1
        window = everything.masked_fill(outside_B_1_T_S, -torch.inf)
        return {_FULL: everything, _SLIDING: window} if self.full else window

    def causal_mask(self, positions_B_T: torch.Tensor, columns: int) -> torch.Tensor:
        """The mask of layers that attend to all earlier tokens, shape (B, 1, T, columns)."""
        later_B_1_T_S = torch.arange(columns, device=self.device) > positions_B_T[:, None, :, None]
        zeros = torch.zeros(later_B_1_T_S.shape, dtype=self.dtype, device=self.device)
        return zeros.masked_fill_(later_B_1_T_S, -torch.inf)


@torch.inference_mode()
def cache_shape(model: PreTrainedModel) -> CacheShape:
    """What a model keeps of each token, seen by letting it read one.

    Raises:
        InputError: A layer attends neither to every earlier token nor to a window of them, or keeps
            something else than keys and values of one shape on one device, or the model was loaded
            with an attention that takes no mask.
    """
    attention = model.config._attn_implementation
    if attention not in _MASKED_ATTENTION:
        raise InputError(
            f"expected a model with sdpa or eager attention, got {attention!r}; load it with "
            "attn_implementation='sdpa'"
        )
    kinds, options = get_layer_types_and_kwargs(model.config.get_text_config(decoder=True))
    windows = {option["sliding_window"] for option in options if "sliding_window" in option}
    if not {*kinds} <= {_FULL, _SLIDING} or len(windows) > 1:
        raise _foreign(model, f"layers of {sorted({*kinds})} with windows of {sorted(windows)}")
    cache = DynamicCache()
    ids_1_1 = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    model(input_ids=ids_1_1, past_key_values=cache, use_cache=True)
    seen = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    kept = {(tuple(tensor.shape), tensor.dtype, tensor.device) for tensor in seen}
    if len(kept) != 1 or len(cache.layers) != len(kinds):
        raise _foreign(model, f"{len(cache.layers)} layers that keep {kept} of a token")
    ((_, heads, _, size), dtype, device) = kept.pop()
    return CacheShape(
        layers=len(kinds),
        heads=heads,
        size=size,
        dtype=dtype,
        device=device,
        full=_FULL in kinds,
        window=windows.pop() if windows else None,
    )


def _foreign(model: PreTrainedModel, what: str) -> InputError:
    return InputError(
        "expected layers that attend to all earlier tokens or to a window of them, with keys and "
        f"values of one shape on one device, {type(model).__name__} has {what}; serve it with an "
        "engine of its own and use that as an endpoint"
    )
