"""RFT: fine-tuning on the policy's own attempts that a verifier passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from transformers import PreTrainedModel

from reachgym.learners.batch import LearnerState, Sample, check_samples
from reachgym.learners.settings import RFTConfig
from reachgym.learners.sft import SFTLearner


class RFTLearner:
    """Keeps the successes among the samples and learns them as demonstrations."""

    def __init__(self, model: PreTrainedModel, config: RFTConfig, seed: int = 0) -> None:
        self._config = config
        self._vocabulary = int(model.config.vocab_size)
        self._sft = SFTLearner(model, config, seed)

    def update(self, samples: Sequence[Sample]) -> Mapping[str, float]:
        """Learn from the successes; without any, nothing changes and `steps` is 0.

        Returns:
            `loss`, `tokens`, `steps`, and `kept`, the number of successes learnt from.

        Raises:
            InputError: A sample is malformed, or a success has no weight to learn from.
            DivergedError: The gradient is not finite.
        """
        check_samples(samples, self._vocabulary)
        kept = successes(samples, self._config)
        if not kept:
            return {"loss": 0.0, "tokens": 0.0, "steps": 0.0, "kept": 0.0}
        return {**self._sft.update(kept), "kept": float(len(kept))}

    def state(self) -> LearnerState:
        """Steps, moments and the generator of sample orders."""
        return self._sft.state()

    def restore(self, state: LearnerState) -> None:
        """Go on from a state.

        Raises:
            CheckpointError: The state is of a model with other parameters.
        """
        self._sft.restore(state)


def successes(samples: Sequence[Sample], config: RFTConfig) -> list[Sample]:
    """The first samples of each group with at least the reward, at most `max_per_group` of them.

    With `deduplicate`, those of the same ids count once (Yuan et al. 2023, arXiv 2308.01825).
    """
    kept: list[Sample] = []
    per_group: Counter[str] = Counter()
    seen: set[tuple[str, bytes]] = set()
    for sample in samples:
        full = config.max_per_group and per_group[sample.group] >= config.max_per_group
        known = config.deduplicate and (sample.group, sample.ids.tobytes()) in seen
        if sample.reward >= config.success_reward and not full and not known:
            per_group[sample.group] += 1
            seen.add((sample.group, sample.ids.tobytes()))
            kept.append(sample)
    return kept
