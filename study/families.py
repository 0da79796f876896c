"""From the configuration's families to tasks and attempts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reachgym.envs.registration import EnvRef, make
from reachgym.envs.seeding import derive_seed
from reachgym.envs.taskset import ENDLESS, Taskset
from reachgym.envs.types import Split, Task
from reachgym.rollout.episode import Attempt
from reachgym.study.config.study import InterfaceConfig, StudyConfig, WorldConfig


class Families:
    """The families of a study, with their tasks."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._budget = config.attempt_budget.budget()
        full = config.interfaces[config.measurement.interface]
        self._tasksets: dict[str, Taskset] = {
            name: make(family.ref(config.world, full, config.sandbox)).taskset
            for name, family in config.families.items()
        }

    def elsewhere(self, world_seed: int) -> Families:
        """The same families in another world, whose facts no arm of the study has met."""
        world = WorldConfig(seed=world_seed)
        return Families(self._config.model_copy(update={"world": world}))

    def ref(self, family: str, interface: InterfaceConfig) -> EnvRef:
        """The environment of a family through one interface."""
        config = self._config
        return config.families[family].ref(config.world, interface, config.sandbox)

    def first(self, family: str, split: Split, n: int) -> list[Task]:
        """The first `n` tasks of a split, fewer if it has fewer."""
        taskset = self._tasksets[family]
        size = taskset.size(split)
        return [taskset.task(split, i) for i in range(n if size is None else min(n, size))]

    def sample(self, family: str, n: int, rng: np.random.Generator) -> list[Task]:
        """Training tasks, without repetition as far as the split allows."""
        taskset = self._tasksets[family]
        size = taskset.size("train") or ENDLESS
        indices = rng.choice(size, size=n, replace=n > size) if size < ENDLESS else None
        if indices is None:
            indices = rng.integers(size, size=n)
        return [taskset.task("train", int(i)) for i in indices]

    def training_batch(self, n: int, rng: np.random.Generator) -> list[tuple[str, Task]]:
        """`n` training tasks, spread evenly over the families that are trained on."""
        names = list(self._config.training_families())
        start = int(rng.integers(len(names)))
        order = [names[(start + i) % len(names)] for i in range(n)]
        drawn = {
            name: iter(self.sample(name, order.count(name), rng)) for name in dict.fromkeys(order)
        }
        return [(name, next(drawn[name])) for name in order]

    def attempts(
        self, task: Task, ref: EnvRef, policy: str, numbers: range, version: int = 0
    ) -> Iterator[Attempt]:
        """Independent attempts of one task; equal numbers give equal seeds."""
        for number in numbers:
            seed = derive_seed(policy, ref.text, task.hash, number)
            yield Attempt(task, ref, seed, policy, self._budget, version)
