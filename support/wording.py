"""A verdict in plain English, every number from the evidence and with what it stands on."""

from __future__ import annotations

from reachgym.support.counts import Estimate
from reachgym.support.evidence import ALL_FAMILIES
from reachgym.support.verdict import Claim, Verdict


def describe(verdict: Verdict) -> str:
    """What the verdict says, in sentences that state tasks, draws and seeds."""
    words = {
        Claim.CREATION: _creation,
        Claim.ELICITATION: _elicitation,
        Claim.SHRINKAGE: _shrinkage,
        Claim.INCONCLUSIVE: _inconclusive,
    }
    said = [words[claim](verdict) for claim in verdict.claims]
    return " ".join([*said, *_left_out(verdict)])


def _creation(verdict: Verdict) -> str:
    cell, rules = verdict.cell, verdict.rules
    return (
        f"Creation on {_where(verdict)}: {_created(verdict)} of {_count(cell.tasks, 'task')}, which"
        f" the base does not solve within {_count(rules.attempts, 'attempt')}"
        f" ({_base_evidence(verdict)}), are solved by {verdict.policy}, more likely than not,"
        f" within as many ({_range(cell.arm_draws)} draws each). The created share is"
        f" {_share(verdict.created_share, verdict)}; it is above {_percent(rules.minimum_share)} on"
        f" {verdict.seeds_agreeing} of {_count(verdict.seeds, 'seed')}."
    )


def _elicitation(verdict: Verdict) -> str:
    rules = verdict.rules
    return (
        f"Elicitation on {_where(verdict)}: {verdict.policy} solves in one attempt what the base"
        f" already reaches in {rules.attempts}. pass@1 rises by"
        f" {_gain(verdict.pass_at_1_gain)}, pass@{rules.attempts} changes by"
        f" {_gain(verdict.pass_at_b_gain)}, within ±{rules.delta:g}; at most"
        f" {_percent(verdict.created_share.high)} of tasks were created"
        f" ({_grounds(verdict)})."
    )


def _shrinkage(verdict: Verdict) -> str:
    return (
        f"Shrinkage on {_where(verdict)}: pass@{verdict.rules.attempts} of {verdict.policy}"
        f" changes by {_gain(verdict.pass_at_b_gain)}, and the share of tasks lost is"
        f" {_share(verdict.lost_share, verdict)} ({_grounds(verdict)})."
    )


def _inconclusive(verdict: Verdict) -> str:
    rules = verdict.rules
    if not verdict.cell.tasks:
        return (
            f"Inconclusive on {_where(verdict)}: chance alone could solve every task within"
            f" {rules.attempts} attempts, so none can witness anything."
        )
    needed = (
        f"{_count(verdict.further_draws, 'further draw')} would decide it, if every success keeps"
        " its observed rate"
        if verdict.further_draws
        else "more draws of these tasks would not decide it; more tasks or seeds might"
    )
    return (
        f"Inconclusive on {_where(verdict)} for {verdict.policy}: created share"
        f" {_share(verdict.created_share, verdict)}, pass@1 changes by"
        f" {_gain(verdict.pass_at_1_gain)}, pass@{rules.attempts} by"
        f" {_gain(verdict.pass_at_b_gain)} ({_grounds(verdict)}); {needed}."
    )


def _left_out(verdict: Verdict) -> list[str]:
    excluded = verdict.cell.excluded
    if not excluded or not verdict.cell.tasks:
        return []
    return [
        f"{_count(excluded, 'task')} left out: chance could solve them within"
        f" {verdict.rules.attempts} attempts."
    ]


def _where(verdict: Verdict) -> str:
    if verdict.family != ALL_FAMILIES:
        return verdict.family
    return f"all {verdict.created_share.n} families taken together"


def _created(verdict: Verdict) -> str:
    """Tasks created, one number per seed where the seeds differ."""
    counts = verdict.cell.created_tasks
    if len(set(counts)) == 1:
        return str(counts[0])
    return " and ".join(str(count) for count in counts) + " (seed by seed)"


def _base_evidence(verdict: Verdict) -> str:
    cell = verdict.cell
    seeds = {1: "one base", 2: "both bases"}.get(
        cell.base_seeds, f"each of {cell.base_seeds} bases"
    )
    most = f"at most {cell.base_successes}" if cell.base_successes else "0"
    return f"{most} of {_range(cell.base_draws)} draws each, {seeds}"


def _grounds(verdict: Verdict) -> str:
    cell = verdict.cell
    return (
        f"{_count(cell.tasks, 'task')}, {_count(verdict.seeds, 'seed')}, {_range(cell.base_draws)}"
        f" draws of the base and {_range(cell.arm_draws)} of the arm on each task"
    )


def _range(draws: tuple[int, int]) -> str:
    low, high = draws
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _share(share: Estimate, verdict: Verdict) -> str:
    confidence = _percent(1 - verdict.rules.alpha)
    return (
        f"{_percent(share.estimate)} (one-sided {confidence} bounds {_percent(share.low)} and"
        f" {_percent(share.high)})"
    )


def _gain(gain: Estimate) -> str:
    return f"{gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
