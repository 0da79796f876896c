"""From a model's configuration to the policy that acts with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reachgym.agents.protocol import Policy
from reachgym.agents.renderers.protocol import Renderer
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.study.config import ModelConfig


def renderer_of(model: ModelConfig) -> Renderer:
    """The chat renderer of a checkpoint's tokenizer, or the small world's."""
    if model.checkpoint is None:
        return TerseRenderer()
    from reachgym.agents.renderers.chat import ChatRenderer

    return ChatRenderer.from_checkpoint(model.checkpoint)


@dataclass(frozen=True, slots=True)
class PolicyFactory:
    """Builds a worker's policy; the weights come later, published by the learner."""

    model: ModelConfig
    device: str
    max_batch: int

    def __call__(self) -> Policy:
        """Build it, in the worker's process."""
        from reachgym.agents.tiny import build_tiny
        from reachgym.agents.transformers_policy import TransformersPolicy
        from reachgym.learners.checkpoint import load_model

        renderer = renderer_of(self.model)
        if self.model.checkpoint is None:
            built = build_tiny(self.model.tiny(), renderer.vocab_size, seed=0)
        else:
            built = load_model(self.model.checkpoint)
        return TransformersPolicy(built, renderer, max_batch=self.max_batch, device=self.device)


@dataclass(frozen=True, slots=True)
class CheckpointFactory:
    """Builds a policy over a checkpoint's folder, whichever renderer it needs."""

    path: Path
    max_batch: int

    def __call__(self) -> Policy:
        """Build it, in the worker's process.

        Raises:
            CheckpointError: The folder is no checkpoint.
        """
        from reachgym.agents.renderers.chat import ChatRenderer
        from reachgym.agents.transformers_policy import TransformersPolicy
        from reachgym.learners.checkpoint import load_model

        model = load_model(self.path)
        has_tokenizer = any(self.path.glob("tokenizer*"))
        renderer: Renderer = (
            ChatRenderer.from_checkpoint(self.path) if has_tokenizer else TerseRenderer()
        )
        return TransformersPolicy(model, renderer, max_batch=self.max_batch)
