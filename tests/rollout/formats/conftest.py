"""A store of real attempts, made by the oracle and by one that errs."""

from __future__ import annotations

from pathlib import Path

import pytest

from reachgym.agents.scripted import oracle_agent, random_agent
from reachgym.envs.registration import EnvRef, make
from reachgym.rollout.episode import Attempt, run_episode
from reachgym.rollout.store import TrajectoryStore

ENVS = (
    EnvRef("reachgym/Lookup-v0", {"difficulty": 2}),
    EnvRef("reachgym/Compose-v0", {}),
)


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Path:
    """Six tasks of two environments, each tried by the oracle and by a random agent."""
    path = tmp_path_factory.mktemp("played") / "store"
    store = TrajectoryStore(path)
    for ref in ENVS:
        env = make(ref)
        for name, agent in (("oracle", oracle_agent(ref.id)), ("random", random_agent(ref.id))):
            store.append(
                run_episode(
                    agent,
                    env,
                    Attempt(env.taskset.task("held_out", index), ref, index, name, env.budget),
                )
                for index in range(3)
            )
        env.close()
    return path
