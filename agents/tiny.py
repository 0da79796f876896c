"""A small language model made from scratch: the policy of the small world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reachgym.envs.errors import ConfigError

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class TinyConfig:
    """The shape of a small Llama.

    Attributes:
        hidden: Width of the residual stream.
        layers: Number of blocks.
        heads: Attention heads; divides `hidden`.
        mlp: Width of the feed-forward layer.
        max_positions: Longest sequence, in tokens.
        init_std: Standard deviation of the initial weights. Four times the usual: at this width
            copying is then learnt in half the steps.
    """

    hidden: int = 96
    layers: int = 3
    heads: int = 3
    mlp: int = 192
    max_positions: int = 256
    init_std: float = 0.08


def build_tiny(config: TinyConfig, vocab_size: int, seed: int) -> LlamaForCausalLM:
    """A float32 Llama with tied embeddings whose initial weights depend on `seed` alone.

    Raises:
        ConfigError: The heads do not divide the hidden size.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if config.hidden % (2 * config.heads):
        raise ConfigError(
            f"hidden must be a multiple of twice the heads, got hidden={config.hidden} and "
            f"heads={config.heads}; change one of them"
        )
    shape = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=config.hidden,
        intermediate_size=config.mlp,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.max_positions,
        initializer_range=config.init_std,
        tie_word_embeddings=True,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(shape)
