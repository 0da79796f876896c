"""What a bench found: the content of its `results.json`, which every table is drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from reachgym.study.folder import write_atomically
from reachgym.study.results.records import Interval, Record

SCHEMA_VERSION = 1


class KResult(Record):
    """k attempts at a task: that one of them succeeds (pass@k), and that all do (pass^k)."""

    k: int
    some: Interval
    every: Interval


class UsageResult(Record):
    """Means over scored attempts, and the share of them that a budget ended, by budget."""

    turns: float
    action_tokens: float
    context_tokens: float
    tool_calls: float
    tool_errors: float
    parse_errors: float
    model_s: float
    tool_s: float
    wall_s: float
    truncated: dict[str, float]
    cost: float | None


class CellResult(Record):
    """One agent at one suite.

    Attributes:
        agent: Who acted.
        suite: What was asked.
        tasks: How many tasks.
        attempts: How many attempts at each.
        scored: Attempts that have a verdict.
        unscored: Attempts that something else than the agent ended, by what it was.
        missing: Attempts that were not made yet.
        success: The mean over tasks; None where nothing is scored.
        at_k: For 1, 2, 4, ... attempts.
        usage: What scored attempts took; None where nothing is scored.
    """

    agent: str
    suite: str
    tasks: int
    attempts: int
    scored: int
    unscored: dict[str, int]
    missing: int
    success: Interval | None
    at_k: list[KResult]
    usage: UsageResult | None


class SuiteResult(Record):
    """What every agent was asked: an environment within a budget, told apart by a fingerprint.

    There may be fewer tasks than were asked for: a split ends.
    """

    name: str
    env: str
    split: str
    tasks: int
    attempts: int
    budget: dict[str, float | None]
    fingerprint: str


class ComparisonResult(Record):
    """Two agents at one suite, on the same tasks and seeds.

    Attributes:
        suite: Where.
        a: The first agent.
        b: The second.
        difference: Success of `a` less that of `b`, by task.
        p: Of no difference, by itself.
        adjusted_p: The same after Holm's correction for all comparisons of the bench.
        only_a: Pairs of attempts that only `a` solved.
        only_b: Pairs that only `b` solved.
        mcnemar_p: McNemar's exact test of these pairs, as if attempts were independent.
        dropped_pairs: Pairs of which one attempt or both are not scored.
        decision: What `a` is, compared with `b`.
    """

    suite: str
    a: str
    b: str
    difference: Interval
    p: float
    adjusted_p: float
    only_a: int
    only_b: int
    mcnemar_p: float
    dropped_pairs: int
    decision: Literal["better", "worse", "not told apart"]


class OverallResult(Record):
    """An agent over all suites, each counting the same; None where one has nothing scored."""

    agent: str
    success: float | None


class BenchResults(Record):
    """Everything that a bench found, in the order of its configuration."""

    schema_version: int = SCHEMA_VERSION
    title: str
    alpha: float
    limit: int | None
    suites: list[SuiteResult]
    overall: list[OverallResult]
    cells: list[CellResult]
    comparisons: list[ComparisonResult]

    def write(self, path: Path) -> None:
        """Write them as JSON, whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=1))
