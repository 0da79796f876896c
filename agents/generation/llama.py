"""One token for every row through a Llama-shaped model on a CPU, in as few operations as it takes.

On the small model at 256 rows half the time of the model's own pass goes to attention that is not
made for a single query, to normalisation in seven operations, and to calling modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from reachgym.agents.generation.shape import CacheShape
from reachgym.agents.generation.slots import SlotCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

_KINDS = ("LlamaForCausalLM", "Qwen2ForCausalLM")
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")


def is_plain_llama(model: PreTrainedModel, shape: CacheShape) -> bool:
    """Whether `read_token` does what the model's own pass does: float32, plain layers, on a CPU."""
    if type(model).__name__ not in _KINDS or model.config.hidden_act != "silu":
        return False
    if shape.device.type != "cpu" or shape.dtype != torch.float32 or shape.window is not None:
        return False
    linear = [
        layer.self_attn.get_submodule(name) for layer in model.model.layers for name in _ATTENTION
    ]
    linear += [layer.mlp.get_submodule(name) for layer in model.model.layers for name in _MLP]
    # What adapters wrap is not plain.
    return all(type(module) is nn.Linear for module in (*linear, model.lm_head))


def read_token(
    model: PreTrainedModel, cache: SlotCache, ids_B: torch.Tensor, positions_B: torch.Tensor
) -> torch.Tensor:
    """Read one token in each of the first slots; returns logits, shape (B, V)."""
    cache.aim(positions_B[:, None])
    mask_B_1_S = cache.shape.causal_mask(positions_B[:, None], cache.columns)[:, 0]
    hidden_B_E = functional.embedding(ids_B, model.model.embed_tokens.weight)
    cos_B_1_D, sin_B_1_D = model.model.rotary_emb(hidden_B_E, position_ids=positions_B[:, None])
    for index, layer in enumerate(model.model.layers):
        normed_B_E = _norm(hidden_B_E, layer.input_layernorm)
        attention = layer.self_attn
        shape = (len(ids_B), -1, attention.head_dim)
        query_B_H_D = _rotated(
            _linear(normed_B_E, attention.q_proj).view(shape), cos_B_1_D, sin_B_1_D
        )
        key_B_K_D = _rotated(
            _linear(normed_B_E, attention.k_proj).view(shape), cos_B_1_D, sin_B_1_D
        )
        value_B_K_D = _linear(normed_B_E, attention.v_proj).view(shape)
        keys, values = cache.update(key_B_K_D[:, :, None], value_B_K_D[:, :, None], index)
        seen_B_E = _attend(query_B_H_D * attention.scaling, keys, values, mask_B_1_S)
        hidden_B_E = hidden_B_E + _linear(seen_B_E, attention.o_proj)
        normed_B_E = _norm(hidden_B_E, layer.post_attention_layernorm)
        gate_B_F = functional.silu(_linear(normed_B_E, layer.mlp.gate_proj))
        gated_B_F = gate_B_F.mul_(_linear(normed_B_E, layer.mlp.up_proj))
        hidden_B_E = hidden_B_E + _linear(gated_B_F, layer.mlp.down_proj)
    return _linear(_norm(hidden_B_E, model.model.norm), model.lm_head)


def _linear(x_B_I: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
    return functional.linear(x_B_I, layer.weight, layer.bias)


def _norm(x_B_E: torch.Tensor, norm: LlamaRMSNorm) -> torch.Tensor:
    weight = norm.weight
    return functional.rms_norm(x_B_E, weight.shape, weight, norm.variance_epsilon)


def _rotated(
    x_B_H_D: torch.Tensor, cos_B_1_D: torch.Tensor, sin_B_1_D: torch.Tensor
) -> torch.Tensor:
    """Rotary positions (Su et al. 2021), halves paired as Llama has them."""
    first, second = x_B_H_D.chunk(2, -1)
    return (x_B_H_D * cos_B_1_D).addcmul_(torch.cat((-second, first), -1), sin_B_1_D)


def _attend(
    query_B_H_D: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask_B_1_S: torch.Tensor
) -> torch.Tensor:
    """Attention of one query a head; heads share keys and values in groups, shape (B, H * D)."""
    rows, groups, columns, size = keys.shape
    query = query_B_H_D.view(rows * groups, -1, size)
    scores = torch.bmm(query, keys.flatten(0, 1).transpose(1, 2))
    scores.view(rows, -1, columns).add_(mask_B_1_S)
    return torch.bmm(scores.softmax(-1), values.flatten(0, 1)).view(rows, -1)
