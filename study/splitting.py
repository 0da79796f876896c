"""A policy's success at one task, too rare for direct draws, split at the task's milestones."""

from __future__ import annotations

import numpy as np

from reachgym.agents.protocol import Agent
from reachgym.envs.registration import EnvRef
from reachgym.envs.types import Budget, Task
from reachgym.rollout.episode import Attempt
from reachgym.rollout.splitting import MilestoneRuns
from reachgym.support.splitting import Splitting, multilevel_splitting

_POLICY = "splitting"


def success_by_splitting(
    agent: Agent,
    ref: EnvRef,
    task: Task,
    budget: Budget,
    effort: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
    milestones: int | None = None,
) -> Splitting:
    """Estimate the probability that an attempt passes, by attempts from milestone to milestone.

    The estimate is unbiased, because an environment's milestones are necessary and ordered; the
    upper bound is approximate, as `multilevel_splitting` says.

    Args:
        agent: Who acts.
        ref: The environment, with snapshots and milestones.
        task: What to solve.
        budget: What one attempt may spend, over all levels together.
        effort: Attempts at each level.
        rng: Source of all seeds.
        alpha: Error of the approximate bound.
        milestones: How many of the task's milestones to split at, the first ones; success is one
            level more. None for all of them; with 0 these are direct draws.

    Raises:
        InputError: There is no such environment, or the number of milestones is below 0.
        ValueError: The effort is below 1.
        InfrastructureError: An attempt could not be scored.
    """
    attempt = Attempt(task, ref, seed=0, policy=_POLICY, budget=budget)
    with MilestoneRuns(agent, attempt, milestones) as runs:
        return multilevel_splitting(runs, runs.start(), runs.levels, effort, rng, alpha)
