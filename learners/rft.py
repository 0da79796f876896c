"""RFT: fine-tuning on the policy's own attempts that a verifier passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from transformers import PreTrainedModel

from reachgym.learners.batch import Sample
from reachgym.learners.settings import RFTConfig
from reachgym.learners.sft import SFTLearner


class RFTLearner:
    """Keeps the successes among the samples and learns them as demonstrations."""

    def __init__(self, model: PreTrainedModel, config: RFTConfig, seed: int = 0) -> None:
        self._config = config
        self._sft = SFTLearner(model, config, seed)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Learn from the successes; without any, nothing changes and `steps` is 0.

        Returns:
            `loss`, `tokens`, `steps`, and `kept`, the number of successes learnt from.
        """
        kept = successes(samples, self._config.success_reward, self._config.max_per_group)
        if not kept:
            return {"loss": 0.0, "tokens": 0.0, "steps": 0.0, "kept": 0.0}
        return {**self._sft.update(kept), "kept": float(len(kept))}


def successes(samples: Sequence[Sample], success_reward: float, max_per_group: int) -> list[Sample]:
    """Samples with at least the reward, at most `max_per_group` of a group (0 keeps all)."""
    kept: list[Sample] = []
    per_group: Counter[str] = Counter()
    for sample in samples:
        full = max_per_group and per_group[sample.group] >= max_per_group
        if sample.reward >= success_reward and not full:
            per_group[sample.group] += 1
            kept.append(sample)
    return kept
