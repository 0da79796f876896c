"""From a model's configuration to the policy that acts with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reachgym.agents.protocol import Conversation, Policy
from reachgym.agents.renderers.few_shot import FewShot
from reachgym.agents.renderers.protocol import Renderer
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.study.config.measurement import VariantConfig
from reachgym.study.config.study import ModelConfig

DTYPES = ("float32", "bfloat16")


def renderer_of(model: ModelConfig) -> Renderer:
    """The chat renderer of a checkpoint's tokenizer, or the small world's."""
    if model.checkpoint is None:
        return TerseRenderer()
    from reachgym.agents.renderers.chat import ChatRenderer

    return ChatRenderer.from_checkpoint(model.checkpoint)


@dataclass(frozen=True, slots=True)
class Acting:
    """How a policy acts: its decoding, and what it is shown before every task.

    Attributes:
        variant: The decoding, and whether turns are constrained to the grammar.
        examples: Episodes that come before every task.
    """

    variant: VariantConfig = field(default_factory=VariantConfig)
    examples: tuple[Conversation, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyFactory:
    """Builds a worker's policy; the weights come later, published by the learner."""

    model: ModelConfig
    device: str
    max_batch: int
    acting: Acting = Acting()

    def __call__(self) -> Policy:
        """Build it, in the worker's process."""
        from reachgym.agents.sampling import Decoding
        from reachgym.agents.tiny import build_tiny
        from reachgym.agents.transformers_policy import TransformersPolicy
        from reachgym.learners.checkpoint import load_model

        renderer = renderer_of(self.model)
        if self.model.checkpoint is None:
            built = build_tiny(self.model.tiny(), renderer.vocab_size, seed=0)
        else:
            built = load_model(self.model.checkpoint)
        variant = self.acting.variant
        if self.acting.examples:
            renderer = FewShot(renderer, self.acting.examples)
        return TransformersPolicy(
            built,
            renderer,
            decoding=Decoding(variant.temperature, variant.top_p, variant.top_k),
            constrained=variant.constrained,
            max_batch=self.max_batch,
            device=self.device,
        )


@dataclass(frozen=True, slots=True)
class CheckpointFactory:
    """Builds a policy over a checkpoint's folder, whichever renderer it needs.

    Attributes:
        path: The folder.
        max_batch: Most rows in one forward pass.
        device: A torch device.
        dtype: Of the weights; one of `DTYPES`.
        temperature: Of the sampling distribution; 0 is greedy.
        top_p: The share of its probability that is kept.
        top_k: How many ids are kept; None keeps all.
    """

    path: Path
    max_batch: int
    device: str = "cpu"
    dtype: str = "float32"
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None

    def __call__(self) -> Policy:
        """Build it, in the worker's process.

        Raises:
            CheckpointError: The folder is no checkpoint.
        """
        import torch

        from reachgym.agents.renderers.chat import ChatRenderer
        from reachgym.agents.sampling import Decoding
        from reachgym.agents.transformers_policy import TransformersPolicy
        from reachgym.learners.checkpoint import load_model

        dtypes = dict(zip(DTYPES, (torch.float32, torch.bfloat16), strict=True))
        model = load_model(self.path, dtypes[self.dtype])
        has_tokenizer = any(self.path.glob("tokenizer*"))
        renderer: Renderer = (
            ChatRenderer.from_checkpoint(self.path) if has_tokenizer else TerseRenderer()
        )
        return TransformersPolicy(
            model,
            renderer,
            decoding=Decoding(self.temperature, self.top_p, self.top_k),
            max_batch=self.max_batch,
            device=self.device,
        )
