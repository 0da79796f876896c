"""The tables that a bench's results are shown as, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from reachgym.study.bench.results import BenchResults, CellResult
from reachgym.study.report.table import Cell, Table
from reachgym.study.report.text import share
from reachgym.study.results.records import Interval

_DECIDED = ("better", "worse")


def ranked(results: BenchResults) -> list[str]:
    """The agents, best first by the mean over suites; those without one come last."""
    order = sorted(
        results.overall, key=lambda found: 1.0 if found.success is None else -found.success
    )
    return [found.agent for found in order]


def leaderboard(results: BenchResults) -> Table:
    """Success of every agent at every suite, and the mean over suites."""
    cells = {(cell.agent, cell.suite): cell.success for cell in results.cells}
    overall = {found.agent: found.success for found in results.overall}
    names = [suite.name for suite in results.suites]
    rows: list[tuple[Cell, ...]] = []
    for agent in ranked(results):
        mean = overall[agent]
        of_suites = (cells[agent, name] for name in names)
        rows.append((agent, None if mean is None else share(mean), *of_suites))
    return Table("Leaderboard", ("agent", "mean", *names), rows)


def repeated(results: BenchResults) -> Table:
    """At least one of k attempts succeeds (pass@k), and all of them do (pass^k)."""
    rows: list[tuple[Cell, ...]] = [
        (cell.agent, cell.suite, point.k, point.some, point.every)
        for cell in _in_order(results)
        for point in cell.at_k
    ]
    return Table("k attempts", ("agent", "suite", "k", "pass@k", "pass^k"), rows)


def usage(results: BenchResults) -> Table:
    """What a scored attempt took on average, and what was not scored."""
    priced = any(cell.usage is not None and cell.usage.cost is not None for cell in results.cells)
    columns = (
        *("agent", "suite", "scored", "unscored", "missing", "turns", "sampled tokens"),
        *("context tokens", "tool calls", "tool errors", "parse errors", "truncated"),
        *("model s", "tool s", "wall s"),
        *(("cost",) if priced else ()),
    )
    rows = [_usage(cell, priced) for cell in _in_order(results)]
    return Table("What attempts took", columns, rows)


def truncations(results: BenchResults) -> Table:
    """Which budgets ended attempts, and how many of those that are scored."""
    rows: list[tuple[Cell, ...]] = [
        (cell.agent, cell.suite, budget, part)
        for cell in _in_order(results)
        if cell.usage is not None
        for budget, part in sorted(cell.usage.truncated.items())
    ]
    return Table("Truncated by", ("agent", "suite", "budget", "share of attempts"), rows)


def failures(results: BenchResults) -> Table:
    """What ended attempts that are not scored; it was not the agent's doing."""
    rows: list[tuple[Cell, ...]] = [
        (cell.agent, cell.suite, kind, count)
        for cell in _in_order(results)
        for kind, count in sorted(cell.unscored.items())
    ]
    return Table("Unscored attempts", ("agent", "suite", "failure", "attempts"), rows)


def comparisons(results: BenchResults, *, told_apart: bool = False) -> Table:
    """Every two agents at every suite.

    Args:
        results: The bench's.
        told_apart: Only those that differ.
    """
    some_left_out = any(found.dropped_pairs for found in results.comparisons)
    rows: list[tuple[Cell, ...]] = [
        (
            found.a,
            found.decision,
            found.b,
            found.suite,
            found.difference,
            _p(found.adjusted_p),
            _p(found.p),
            f"{found.only_a} to {found.only_b}",
            _p(found.mcnemar_p),
            *((found.dropped_pairs,) if some_left_out else ()),
        )
        for found in results.comparisons
        if not told_apart or found.decision in _DECIDED
    ]
    columns = ("agent", "is", "than", "suite", "difference", "p, corrected", "p")
    left_out = ("pairs left out",) if some_left_out else ()
    return Table("Comparisons", (*columns, "solved by one alone", "McNemar's p", *left_out), rows)


def incomplete(results: BenchResults) -> list[str]:
    """Which agents lack scored attempts, and why, in words."""
    return [
        f"{cell.agent} at {cell.suite}: {', '.join(parts)}"
        for cell in _in_order(results)
        if (parts := _lacking(cell))
    ]


def _lacking(cell: CellResult) -> list[str]:
    parts = [f"{count} unscored ({kind})" for kind, count in sorted(cell.unscored.items())]
    return [*parts, f"{cell.missing} not made"] if cell.missing else parts


def in_words(cell: Interval | None) -> str:
    """Success with its bounds, for tables of plain text."""
    if cell is None:
        return "none scored"
    return f"{share(cell.estimate)} ({share(cell.low)} to {share(cell.high)})"


def _in_order(results: BenchResults) -> Sequence[CellResult]:
    places = {agent: place for place, agent in enumerate(ranked(results))}
    suites = {suite.name: place for place, suite in enumerate(results.suites)}
    return sorted(results.cells, key=lambda cell: (suites[cell.suite], places[cell.agent]))


def _usage(cell: CellResult, priced: bool) -> tuple[Cell, ...]:
    head = (cell.agent, cell.suite, cell.scored, sum(cell.unscored.values()), cell.missing)
    found = cell.usage
    if found is None:
        return (*head, *(None,) * (11 if priced else 10))
    return (
        *head,
        found.turns,
        found.action_tokens,
        found.context_tokens,
        found.tool_calls,
        found.tool_errors,
        found.parse_errors,
        sum(found.truncated.values()),
        found.model_s,
        found.tool_s,
        found.wall_s,
        *((found.cost,) if priced else ()),
    )


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
