"""The learner's process of a lane: it holds one model and improves it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.agents.tiny import build_tiny
from reachgym.envs.errors import EpisodeError
from reachgym.learners.batch import Learner, Sample
from reachgym.learners.checkpoint import load_model, save_model, weights_of
from reachgym.learners.rft import RFTLearner
from reachgym.learners.rl import RLLearner
from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig
from reachgym.learners.sft import SFTLearner
from reachgym.study.config.study import ModelConfig, PretrainingConfig
from reachgym.study.pretraining import Document, PretrainingMix, documents


class Trainer:
    """Owns a model and its learner; used as a Ray actor, one a lane."""

    def __init__(self, device: str) -> None:
        # Two torch threads on shared cores collapse; parallelism is one process a lane.
        torch.set_num_threads(1)
        self._device = device
        self._model: PreTrainedModel | None = None
        self._learner: Learner | None = None
        self._rows: Iterator[Sample] = iter(())

    def begin_pretraining(
        self, model: ModelConfig, plan: PretrainingConfig, mix: PretrainingMix, seed: int
    ) -> None:
        """Build a model from scratch, and the endless stream of its documents."""
        renderer = TerseRenderer()
        built = build_tiny(model.tiny(), renderer.vocab_size, seed)
        self._install(built, plan.learner, seed)
        self._rows = packed(documents(mix, seed), renderer, mix.row_tokens)

    def pretrain(self, steps: int, batch: int) -> Mapping[str, float]:
        """Take `steps` steps of `batch` rows; returns the last metrics, `tokens` summed."""
        metrics: Mapping[str, float] = {}
        tokens = 0.0
        for _ in range(steps):
            metrics = self.update(list(itertools.islice(self._rows, batch)))
            tokens += metrics["tokens"]
        return {**metrics, "tokens": tokens}

    def open(self, checkpoint: Path, config: SFTConfig | RFTConfig | RLConfig, seed: int) -> None:
        """Load a checkpoint, with a fresh learner for it."""
        self._install(load_model(checkpoint), config, seed)

    def load(self, checkpoint: Path) -> None:
        """Load a checkpoint to be published, not trained."""
        self._model = load_model(checkpoint)
        self._learner = None

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """One update of the open model."""
        if self._learner is None:
            raise EpisodeError("no model is open for training; call open() first")
        return self._learner.update(samples)

    def weights(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """The model's weights, to be published."""
        return weights_of(self._opened())

    def save(self, checkpoint: Path) -> None:
        """Write the model as a checkpoint that transformers can read."""
        save_model(self._opened(), checkpoint)

    def _opened(self) -> PreTrainedModel:
        if self._model is None:
            raise EpisodeError("no model is open; call open() or load() first")
        return self._model

    def _install(
        self, model: PreTrainedModel, config: SFTConfig | RFTConfig | RLConfig, seed: int
    ) -> None:
        self._model = model.to(self._device)
        match config:
            case RLConfig():
                self._learner = RLLearner(self._model, config, seed)
            case RFTConfig():
                self._learner = RFTLearner(self._model, config, seed)
            case SFTConfig():
                self._learner = SFTLearner(self._model, config, seed)


def packed(
    stream: Iterable[Document], renderer: TerseRenderer, row_tokens: int
) -> Iterator[Sample]:
    """Documents end to end in rows of equal length, each beginning with `<bos>`.

    A row starts with a whole document and the last one is cut: that way every row is full, and
    the positions of an episode, which starts at zero, are the best trained.
    """
    ids: list[int] = []
    weights: list[float] = []
    for document in stream:
        ids.append(renderer.bos_id)
        weights.append(0.0)
        for text, weight in document:
            encoded = renderer.encode_text(text)
            ids += encoded
            weights += [weight] * len(encoded)
        if len(ids) >= row_tokens:
            yield Sample(
                ids=np.asarray(ids[:row_tokens], np.int32),
                weights=np.asarray(weights[:row_tokens], np.float32),
            )
            ids, weights = [], []
