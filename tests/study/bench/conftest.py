"""A bench of scripted agents, its parts and its store without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reachgym.agents.scripted import oracle_agent, random_agent
from reachgym.rollout.scheduler import run_attempts
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.bench.suite import suites_of
from reachgym.study.config.bench import BenchConfig

LOOKUP, COMPOSE = "reachgym/Lookup-v0", "reachgym/Compose-v0"


@pytest.fixture
def content() -> dict:
    return {
        "tasks": 4,
        "attempts": 2,
        "agents": {"oracle": {"kind": "oracle"}, "random": {"kind": "random"}},
        "environments": {
            "lookup": {"env": LOOKUP, "kwargs": {"difficulty": 1, "text": "terse"}},
            "compose": {"env": COMPOSE, "kwargs": {"difficulty": 2}},
        },
    }


@pytest.fixture
def config(content) -> BenchConfig:
    return BenchConfig.model_validate(content)


@pytest.fixture
def played(tmp_path) -> Callable[[BenchConfig], TrajectoryStore]:
    """Plays every attempt of a bench with scripted agents, in this process."""
    makers = {"oracle": oracle_agent, "random": random_agent}

    def play(config: BenchConfig) -> TrajectoryStore:
        store = TrajectoryStore(Path(tmp_path) / "store")
        for name, agent in config.agents.items():
            for suite in suites_of(config):
                acting = makers[agent.kind](suite.ref.id)
                store.append(run_attempts(acting, list(suite.of(name)), slots=4))
        return store

    return play
