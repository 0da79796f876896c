"""What speaks for and against the numbers: diagnostics, noise floors, economy, nulls, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from reachgym.study.report.table import Cell, Table
from reachgym.study.results import ImportanceEstimate, Results, SamplingEconomy


def estimates(results: Results) -> Table:
    """Per base and family, how far importance estimates can be trusted."""
    grouped: dict[tuple[str, str], list[ImportanceEstimate]] = {}
    for estimate in results.estimates:
        grouped.setdefault((estimate.base, estimate.family), []).append(estimate)
    labels = _labels(results)
    columns: tuple[str, ...] = (
        "base",
        "family",
        "n tasks",
        "with successes",
        "median estimate",
        "ESS",
    )
    columns += ("largest share", "Pareto k", "routes", "agree", "disagree", "too few to say")
    columns += ("passed all checks", "failed checks")
    rows = [(labels[base], family, *_trust(own)) for (base, family), own in grouped.items()]
    return Table("importance diagnostics", columns, rows)


def _trust(own: Sequence[ImportanceEstimate]) -> tuple[Cell, ...]:
    seen = [e for e in own if e.successes]
    agree = Counter(e.agrees for e in own)
    failed = Counter(name for e in seen for name in e.failed)
    return (
        *(len(own), len(seen), median(e.estimate for e in own)),
        _median([e.ess for e in seen]),
        _median([e.largest_share for e in seen]),
        _median([e.pareto_k for e in seen if e.pareto_k is not None]),
        _median([e.routes for e in seen]),
        *(agree[True], agree[False], agree[None]),
        sum(not e.failed for e in seen),
        ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in failed.items())
        or ("none" if seen else "no success to check"),
    )


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None


def economies(results: Results) -> Table:
    """What adaptive sampling drew, against plans with one number of draws for all tasks.

    In the last row that number is one for all policies too: what a plan must draw that cannot know
    which policy, or which task of it, will need most.
    """
    grouped: dict[tuple[str, str], list[SamplingEconomy]] = {}
    for row in results.economies:
        grouped.setdefault((row.policy, row.interface), []).append(row)
    labels = _labels(results)
    rows: list[tuple[Cell, ...]] = []
    for (policy, interface), own in grouped.items():
        tasks, labelled = sum(e.tasks for e in own), sum(e.labelled for e in own)
        drawn, fixed = sum(e.drawn for e in own), sum(e.fixed for e in own)
        ratio = fixed / drawn if drawn else None
        rows.append((labels[policy], interface, tasks, labelled, drawn, fixed, ratio))
    if rows:
        rows.append(_whole_study(results))
    columns = ("policy", "interface", "n tasks and seeds", "with a label", "attempts drawn")
    return Table("sampling economy", (*columns, "same labels, fixed plan", "ratio"), rows)


def _whole_study(results: Results) -> tuple[Cell, ...]:
    headline = next(b.attempts for b in results.setting.sample_budgets if b.headline)
    rows = [m for m in results.measurements if m.bound_source == "draws"]
    drawn = sum(m.drawn or m.n for m in rows)
    labelled = sum(m.labels[headline] != "undecided" for m in rows)
    fixed = len(rows) * max(e.fixed // e.tasks for e in results.economies)
    ratio = fixed / drawn if drawn else None
    return ("every policy, one plan", "all", len(rows), labelled, drawn, fixed, ratio)


def crossings(results: Results) -> Table:
    """From which k on the base is above each arm, a column for a family."""
    found = {(row.policy, row.family): row.k for row in results.crossings}
    families = list(dict.fromkeys(row.family for row in results.crossings))
    labels = _labels(results)

    def cell(policy: str, family: str) -> Cell:
        if (policy, family) not in found:
            return None
        k = found[policy, family]
        return "at no k" if k is None else f"from k={k}"

    rows = [
        (labels[policy], *(cell(policy, family) for family in families))
        for policy in dict.fromkeys(row.policy for row in results.crossings)
    ]
    return Table("where the base overtakes", ("arm", *families), rows)


def dynamics(results: Results) -> Table:
    """SRR, NDR, SDS and NSCR of every arm, each base against itself first."""
    columns = ("policy", "family", "SRR", "NDR", "SDS", "NSCR", "n labelled")
    rows = [
        (f"{policy.label}, against itself" if policy.is_base else policy.label)
        for policy in results.setting.policies
    ]
    named = dict(zip((p.name for p in results.setting.policies), rows, strict=True))
    order = {p.name: place for place, p in enumerate(results.setting.policies)}
    return Table(
        "support dynamics",
        columns,
        [
            (named[d.policy], d.family, d.srr, d.ndr, d.sds, d.nscr, d.labelled)
            for d in sorted(results.dynamics, key=lambda d: order[d.policy])
        ],
    )


def covers(results: Results) -> Table:
    """Cover@tau of every policy and family, by point estimates and by lower bounds."""
    labels = _labels(results)
    columns = ("policy", "family", "tau", "share of tasks", "by lower bounds")
    rows = [(labels[c.policy], c.family, c.tau, c.share, c.certified) for c in results.covers]
    return Table("Cover at tau", columns, rows)


def compositions(results: Results) -> Table:
    """Each composite family of a base against the product of its parts."""
    labels = _labels(results)
    columns = ("base", "seed", "family", "parts", "product of the parts", "measured", "p-value")
    rows = [
        (
            *(labels[c.base], c.seed, c.family, " x ".join(c.atoms)),
            *(c.expected, c.measured, c.p_value),
        )
        for c in results.compositions
    ]
    return Table("composition null", columns, rows)


def compute_matched(results: Results) -> Table:
    """Support flow at the attempts that each arm's training would have paid for."""
    labels = _labels(results)
    changes = list(dict.fromkeys(name for c in results.compute_matched for name in c.counts))
    rows: list[tuple[Cell, ...]] = [
        (
            *(labels[c.policy], c.seed, c.attempts),
            *(c.counts.get(change, 0) for change in changes),
            sum(c.counts.values()),
        )
        for c in results.compute_matched
    ]
    return Table("compute-matched flow", ("arm", "seed", "B", *changes, "n"), rows)


def _labels(results: Results) -> dict[str, str]:
    return {policy.name: policy.label for policy in results.setting.policies}
