"""Tiny models of several families, whose next token hangs on what came before."""

import pytest
import torch

from reachgym.agents.renderers.terse import TerseRenderer

# Heads share keys and values in groups wherever a family can.
SHAPE = {
    "vocab_size": TerseRenderer.vocab_size,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
MIXED = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 7, "head_dim": 8}


@pytest.fixture(scope="session")
def tiny():
    """A model by the name of its family."""

    def tiny(family, **changes):
        import transformers as hf

        shape = SHAPE | changes
        torch.manual_seed(3)
        model = {
            "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**shape)),
            "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**shape)),
            "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(head_dim=8, **shape)),
            "mistral": lambda: hf.MistralForCausalLM(
                hf.MistralConfig(sliding_window=7, head_dim=8, **shape)
            ),
            "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**MIXED, **shape)),
            "gpt2": lambda: hf.GPT2LMHeadModel(
                hf.GPT2Config(
                    vocab_size=shape["vocab_size"],
                    n_positions=shape["max_position_embeddings"],
                    n_embd=32,
                    n_layer=2,
                    n_head=2,
                    bos_token_id=None,
                    eos_token_id=None,
                )
            ),
            "mamba": lambda: hf.MambaForCausalLM(
                hf.MambaConfig(
                    vocab_size=shape["vocab_size"],
                    hidden_size=16,
                    state_size=4,
                    num_hidden_layers=1,
                )
            ),
        }[family]()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.mul_(4)
        return model.eval()

    return tiny
