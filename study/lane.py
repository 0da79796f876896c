"""A lane: one learner and its rollout workers, the place where one training runs at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import ray

from reachgym.agents.protocol import FloatArray, TokenSequence
from reachgym.agents.renderers.protocol import Renderer
from reachgym.learners.batch import Sample
from reachgym.learners.settings import RFTConfig, RLConfig, SFTConfig
from reachgym.rollout.episode import Attempt
from reachgym.rollout.fleet import ONE_THREAD, Fleet
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.config.study import PretrainingConfig, StudyConfig
from reachgym.study.policies import Acting, PolicyFactory, renderer_of
from reachgym.study.pretraining import PretrainingMix
from reachgym.study.trainer import Trainer


class Lane:
    """Opens a learner actor and a fleet on the connected cluster; close it when done."""

    def __init__(self, config: StudyConfig) -> None:
        resources = config.resources
        self._config = config
        self.renderer: Renderer = renderer_of(config.model)
        self._trainer = (
            ray.remote(Trainer)
            .options(
                num_cpus=resources.learner_cpus,
                num_gpus=resources.learner_gpus,
                runtime_env={"env_vars": ONE_THREAD},
            )
            .remote(resources.device)
        )
        self._acting = Acting()
        self._fleet = self._open_fleet()
        self._version = 0

    def act_as(self, acting: Acting) -> None:
        """Let the workers' policies act in this way from now on; weights are to be loaded anew."""
        if acting == self._acting:
            return
        self._fleet.close()
        self._acting = acting
        self._fleet = self._open_fleet()

    def _open_fleet(self) -> Fleet:
        resources = self._config.resources
        return Fleet(
            PolicyFactory(self._config.model, resources.device, resources.slots, self._acting),
            workers=resources.workers_per_lane,
            slots=resources.slots,
            num_cpus=resources.worker_cpus,
            num_gpus=resources.worker_gpus,
            # A study that was killed and continued must end as one that was not.
            lock_step=True,
        )

    def begin_pretraining(self, plan: PretrainingConfig, mix: PretrainingMix, seed: int) -> None:
        """Start a model from scratch."""
        ray.get(self._trainer.begin_pretraining.remote(self._config.model, plan, mix, seed))

    def pretrain(self, steps: int, batch: int) -> Mapping[str, float]:
        """Train it on further documents."""
        metrics: Mapping[str, float] = ray.get(self._trainer.pretrain.remote(steps, batch))
        return metrics

    def open(self, checkpoint: Path, config: SFTConfig | RFTConfig | RLConfig, seed: int) -> None:
        """Open a checkpoint for training."""
        ray.get(self._trainer.open.remote(checkpoint, config, seed))

    def load(self, checkpoint: Path) -> None:
        """Open a checkpoint for rollouts only, and publish it."""
        ray.get(self._trainer.load.remote(checkpoint))
        self.publish()

    def update(self, samples: Sequence[Sample]) -> tuple[Mapping[str, float], float]:
        """One update; returns its metrics and its seconds."""
        started = time.monotonic()
        metrics: Mapping[str, float] = ray.get(self._trainer.update.remote(samples))
        return metrics, time.monotonic() - started

    def publish(self) -> None:
        """Send the learner's weights to every worker through the object store."""
        self._version += 1
        # The reference travels, not the weights: they go from learner to workers directly.
        self._fleet.publish(self._trainer.weights.remote(), self._version)

    def collect(self, attempts: Sequence[Attempt]) -> tuple[list[Trajectory], float]:
        """Make attempts with the published weights; returns them and the seconds it took."""
        started = time.monotonic()
        trajectories = list(self._fleet.run(attempts))
        # Learners see them in the order of the attempts, whichever finished first.
        order = {attempt.key: place for place, attempt in enumerate(attempts)}
        trajectories.sort(key=lambda trajectory: order[trajectory.key])
        return trajectories, time.monotonic() - started

    def tables(self, attempts: Sequence[Attempt]) -> Iterator[pa.Table]:
        """The same as rows of the store, encoded by the workers."""
        yield from self._fleet.run_tables(attempts)

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Log-probabilities of sampled tokens under the published weights."""
        return self._fleet.score(sequences)

    def save(self, checkpoint: Path) -> None:
        """Write the learner's model."""
        ray.get(self._trainer.save.remote(checkpoint))

    def close(self) -> None:
        """End the learner and the workers."""
        ray.kill(self._trainer)
        self._fleet.close()
