"""What the attempts of one agent at one suite come to: success, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reachgym.agents.protocol import TokenTally
from reachgym.envs.types import StopReason
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory
from reachgym.study.bench.results import CellResult, KResult, UsageResult
from reachgym.study.bench.suite import Suite
from reachgym.study.config.bench import PriceConfig
from reachgym.study.results.records import Interval
from reachgym.support import Estimate, consistency_curve, success_rate

_MEANS = (
    "turn_count",
    "action_tokens",
    "context_tokens",
    "tool_calls",
    "tool_errors",
    "parse_errors",
    "model_s",
    "tool_s",
    "wall_s",
)
COLUMNS = ("task_hash", "seed", "policy", "passed", "stop_reason", "failure_kind", *_MEANS)
_MILLION = 1e6

Outcomes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The attempts of one agent at one suite.

    Attributes:
        agent: Whose they are.
        suite: What was asked.
        rows: Those that were made, with `COLUMNS`.
        outcomes: Success of each, shape (tasks, attempts): 1 or 0, NaN where none was scored.
    """

    agent: str
    suite: Suite
    rows: pa.Table
    outcomes: Outcomes


def cells_of(store: TrajectoryStore, agents: Sequence[str], suites: Sequence[Suite]) -> list[Cell]:
    """The attempts of a bench by agent and suite; those that nobody asks for are left out."""
    table = store.columns(COLUMNS)
    by_agent = {agent: table.filter(pc.equal(table["policy"], agent)) for agent in agents}
    return [_cell(agent, suite, by_agent[agent]) for suite in suites for agent in agents]


def _cell(agent: str, suite: Suite, rows: pa.Table) -> Cell:
    outcomes = np.full((len(suite.tasks), suite.attempts), np.nan)
    kept = []
    keys = zip(
        rows["task_hash"].to_pylist(),
        rows["seed"].to_pylist(),
        rows["passed"].to_pylist(),
        strict=True,
    )
    for row, (task_hash, seed, passed) in enumerate(keys):
        place = suite.places.get((task_hash, seed))
        if place is not None:
            kept.append(row)
            outcomes[place] = np.nan if passed is None else float(passed)
    return Cell(agent, suite, rows.take(pa.array(kept, pa.int64())), outcomes)


def measure(cell: Cell, alpha: float, cost: float | None) -> CellResult:
    """What a cell comes to.

    Args:
        cell: The attempts.
        alpha: Error of each interval.
        cost: What a scored attempt cost on average, in the price's currency; None without one.
    """
    scored_K = (~np.isnan(cell.outcomes)).sum(axis=1)
    solved_K = np.nansum(cell.outcomes, axis=1).astype(np.int64)
    failures = Counter(kind for kind in cell.rows["failure_kind"].to_pylist() if kind)
    scored = cell.rows.filter(pc.is_valid(cell.rows["passed"]))
    some = bool(scored_K.any())
    return CellResult(
        agent=cell.agent,
        suite=cell.suite.name,
        tasks=len(cell.suite.tasks),
        attempts=cell.suite.attempts,
        scored=int(scored_K.sum()),
        unscored=dict(failures),
        missing=cell.outcomes.size - cell.rows.num_rows,
        success=interval(success_rate(scored_K, solved_K, alpha)) if some else None,
        at_k=_at_k(scored_K, solved_K, alpha) if some else [],
        usage=_usage(scored, cost) if some else None,
    )


def cost_of(attempts: Iterable[Trajectory], price: PriceConfig) -> dict[tuple[str, int], float]:
    """What every attempt cost, by its task's hash and its seed.

    Every turn is paid for its whole request, as endpoints charge: the history is sent again.
    """
    return {
        (attempt.key.task_hash, attempt.key.seed): _cost(attempt, price) for attempt in attempts
    }


def mean_cost(cell: Cell, costs: Mapping[tuple[str, int], float]) -> float | None:
    """What a scored attempt of a cell cost on average."""
    rows = cell.rows.filter(pc.is_valid(cell.rows["passed"]))
    keys = zip(rows["task_hash"].to_pylist(), rows["seed"].to_pylist(), strict=True)
    paid = [costs[key] for key in keys]
    return sum(paid) / len(paid) if paid else None


def _cost(attempt: Trajectory, price: PriceConfig) -> float:
    tally = TokenTally()
    sent = sampled = 0
    for turn in attempt.turns:
        completion = turn.completion
        after = tally.after(completion)
        new = after.sampled - tally.sampled
        sampled += new
        sent += max(0, after.context - new) if after != tally else 0
        tally = after
    return (sent * price.input + sampled * price.output) / _MILLION


def _at_k(
    scored_K: npt.NDArray[np.int64], solved_K: npt.NDArray[np.int64], alpha: float
) -> list[KResult]:
    return [
        KResult(k=point.k, some=interval(point.some), every=interval(point.every))
        for point in consistency_curve(scored_K, solved_K, alpha=alpha)
    ]


def _usage(scored: pa.Table, cost: float | None) -> UsageResult:
    means = {name: float(pc.mean(scored[name]).as_py()) for name in _MEANS}
    ends = Counter(scored["stop_reason"].to_pylist())
    truncated = {
        reason: count / scored.num_rows
        for reason, count in ends.items()
        if StopReason(reason).truncated
    }
    return UsageResult(
        turns=means["turn_count"],
        action_tokens=means["action_tokens"],
        context_tokens=means["context_tokens"],
        tool_calls=means["tool_calls"],
        tool_errors=means["tool_errors"],
        parse_errors=means["parse_errors"],
        model_s=means["model_s"],
        tool_s=means["tool_s"],
        wall_s=means["wall_s"],
        truncated=truncated,
        cost=cost,
    )


def interval(estimate: Estimate) -> Interval:
    """An estimate as results hold it."""
    return Interval(estimate=estimate.estimate, low=estimate.low, high=estimate.high, n=estimate.n)
