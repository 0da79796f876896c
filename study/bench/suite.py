"""What every agent of a bench is asked: the tasks of an environment, the seeds, and the budget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import Budget, Split, Task
from reachgym.rollout.episode import Attempt
from reachgym.study.config.bench import BenchConfig, EnvironmentConfig


@dataclass(frozen=True)
class Suite:
    """The attempts at one environment within one budget; they are the same for every agent.

    Attributes:
        name: What it is called: the environment, and the budget where there are several.
        ref: The environment.
        budget: What an attempt may spend.
        split: Which of its tasks are asked.
        tasks: The tasks, in the taskset's order.
        attempts: Attempts at each.
        seed: The bench's own.
    """

    name: str
    ref: EnvRef
    budget: Budget
    split: Split
    tasks: tuple[Task, ...]
    attempts: int
    seed: int

    def seed_of(self, task: Task, number: int) -> int:
        """The seed of an attempt: everything that it depends on but the agent."""
        budget = json.dumps(asdict(self.budget), sort_keys=True)
        return derive_seed(self.seed, self.ref.text, budget, task.hash, number)

    @cached_property
    def places(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Where an attempt stands, by its task's hash and its seed: the task's and its number."""
        return {
            (task.hash, self.seed_of(task, number)): (place, number)
            for place, task in enumerate(self.tasks)
            for number in range(self.attempts)
        }

    def of(self, agent: str) -> Iterator[Attempt]:
        """The attempts of an agent: the first at every task, then the second, and so on.

        In this order what there is of a bench that was stopped is of as many tasks as possible.
        """
        for number in range(self.attempts):
            for task in self.tasks:
                yield Attempt(task, self.ref, self.seed_of(task, number), agent, self.budget)

    def fingerprint(self, tasks: int | None = None, attempts: int | None = None) -> str:
        """Sixteen hex digits over environment, budget, tasks and seeds.

        Args:
            tasks: Only over so many of its tasks; None for all.
            attempts: Only over so many attempts at each; None for all.
        """
        digest = hashlib.sha256(self.ref.text.encode())
        digest.update(json.dumps(asdict(self.budget), sort_keys=True).encode())
        for task in self.tasks[:tasks]:
            digest.update(task.hash.encode())
            for number in range(self.attempts if attempts is None else attempts):
                digest.update(self.seed_of(task, number).to_bytes(8, "big"))
        return digest.hexdigest()[:16]


def suites_of(config: BenchConfig, limit: int | None = None) -> list[Suite]:
    """Every environment of a bench within every budget.

    Args:
        config: The bench.
        limit: At most so many tasks of an environment, and one attempt at each.

    Raises:
        InputError: An environment does not exist, cannot be made of its arguments, or has no tasks
            in its split.
    """
    return [
        suite
        for name, environment in config.environments.items()
        for suite in _within_budgets(config, name, environment, limit)
    ]


def _within_budgets(
    config: BenchConfig, name: str, environment: EnvironmentConfig, limit: int | None
) -> Iterator[Suite]:
    ref = environment.ref()
    split = environment.split or config.split
    env = make(ref)
    try:
        size = env.taskset.size(split)
        count = environment.tasks or config.tasks
        most = min(number for number in (count, size, limit) if number is not None)
        # A task that comes twice is asked once: the seeds of its attempts would be the same.
        posed = (env.taskset.task(split, index) for index in range(most))
        tasks = tuple({task.hash: task for task in posed}.values())
        own = env.budget
    finally:
        env.close()
    asked = config.budgets if environment.budgets is None else environment.budgets
    if not tasks:
        raise ConfigError(f"{ref.id} has no {split} tasks; choose another split")
    budgets = {key: given.budget() for key, given in asked.items()} or {"": own}
    for budget_name, budget in budgets.items():
        yield Suite(
            name=name if len(budgets) == 1 else f"{name}, {budget_name}",
            ref=ref,
            budget=budget,
            split=split,
            tasks=tasks,
            attempts=config.attempts if limit is None else 1,
            seed=config.seed,
        )
