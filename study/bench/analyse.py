"""From the attempts that a bench's store holds to its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from reachgym.rollout.store import TrajectoryStore
from reachgym.study.bench.compare import compare
from reachgym.study.bench.measures import Cell, cells_of, cost_of, mean_cost, measure
from reachgym.study.bench.results import BenchResults, CellResult, OverallResult, SuiteResult
from reachgym.study.bench.suite import Suite
from reachgym.study.config.bench import BenchConfig


def analyse(
    config: BenchConfig, suites: Sequence[Suite], store: TrajectoryStore, limit: int | None
) -> BenchResults:
    """Measure every agent at every suite, and compare them.

    Args:
        config: The bench.
        suites: What was asked.
        store: The attempts.
        limit: As it was run.
    """
    cells = cells_of(store, list(config.agents), suites)
    measured = _measured(config, cells, store)
    return BenchResults(
        title=config.title,
        alpha=config.alpha,
        limit=limit,
        suites=[
            SuiteResult(
                name=suite.name,
                env=suite.ref.text,
                split=suite.split,
                tasks=len(suite.tasks),
                attempts=suite.attempts,
                budget=asdict(suite.budget),
                fingerprint=suite.fingerprint(),
            )
            for suite in suites
        ],
        overall=[_overall(agent, measured) for agent in config.agents],
        cells=measured,
        comparisons=compare(cells, config.alpha),
    )


def _measured(
    config: BenchConfig, cells: Sequence[Cell], store: TrajectoryStore
) -> list[CellResult]:
    costs = {
        name: cost_of(store.read(policy=name, failures=False), agent.price)
        for name, agent in config.agents.items()
        if agent.price is not None
    }
    return [
        measure(
            cell, config.alpha, mean_cost(cell, costs[cell.agent]) if cell.agent in costs else None
        )
        for cell in cells
    ]


def _overall(agent: str, cells: Sequence[CellResult]) -> OverallResult:
    """The mean over suites: none counts more for having more tasks."""
    found = [cell.success for cell in cells if cell.agent == agent]
    known = [success.estimate for success in found if success is not None]
    return OverallResult(
        agent=agent, success=sum(known) / len(known) if len(known) == len(found) else None
    )
