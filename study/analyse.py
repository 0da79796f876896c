"""From the counts that the stages recorded to `results.json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import Task
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory
from reachgym.study import results as out
from reachgym.study.config import StudyConfig
from reachgym.study.families import Families
from reachgym.study.folder import StudyFolder
from reachgym.study.measured import BASE, Measured, all_measured, real, records, stage_result, whole
from reachgym.study.setting import setting_of
from reachgym.study.show import Source, choose
from reachgym.support import (
    ArmEvidence,
    Estimate,
    Rules,
    TaskCounts,
    Verdict,
    bound_source,
    clopper_pearson,
    describe,
    interface_effects,
    judge,
    label,
    pass_at_k_curve,
    support_flows,
)

_SHOWN = 10
_LONGEST_CURVE = 2**10


def analyse(config: StudyConfig, folder: StudyFolder, families: Families) -> out.Results:
    """Every number of a study whose stages are finished.

    Raises:
        StoreError: A stage is not finished.
    """
    measured = list(all_measured(config, folder))
    plan = config.measurement
    compared = [m for m in measured if m.interface == plan.interface]
    base = [row for m in compared if m.policy == BASE for row in m.counts()]
    arms = {
        name: [row for m in compared if m.policy == name for row in m.counts()]
        for name in config.arms
    }
    bare = [row for m in measured if m.interface == plan.bare_interface for row in m.counts()]
    return out.Results(
        setting=setting_of(config),
        gates=_gates(config, folder),
        measurements=[row for m in measured for row in _measurements(config, m)],
        pass_at_k=_curves(config, {BASE: base, **arms}),
        flows=_flows(config, arms, base),
        verdicts=_verdicts(config, arms, base),
        interface_effects=_effects(config, bare, base),
        consumption=_consumption(config, folder),
        curves=_training_curves(config, folder),
        trajectories=_trajectories(config, folder, families),
        stage_seconds=_stage_seconds(folder),
        notes=_notes(config, measured, folder),
    )


def _measurements(config: StudyConfig, measured: Measured) -> Iterable[out.TaskMeasurement]:
    plan = config.measurement
    for row, counts in zip(measured.rows, measured.counts(), strict=True):
        bound = counts.chance_bound
        low, high = clopper_pearson(counts.n, counts.c, plan.alpha)
        yield out.TaskMeasurement(
            policy=measured.policy,
            seed=measured.seed,
            interface=measured.interface,
            family=counts.family,
            task=counts.task,
            n=counts.n,
            c=counts.c,
            guesses=whole(row["guesses"]),
            truncated=whole(row["truncated"]),
            failed=whole(row["failed"]),
            chance=counts.chance,
            p=out.Interval(
                estimate=counts.c / max(counts.n, 1), low=float(low), high=float(high), n=counts.n
            ),
            bound_source=bound_source(counts.n, counts.c, plan.alpha, bound),
            labels={
                b: label(counts.n, counts.c, b, plan.alpha, bound).value
                for b in plan.sample_budgets
            },
        )


def _curves(
    config: StudyConfig, by_policy: Mapping[str, Sequence[TaskCounts]]
) -> list[out.PassAtK]:
    points = []
    for policy, rows in by_policy.items():
        for family in config.families:
            own = [row for row in rows if row.family == family]
            fewest = min(row.n for row in own)
            ks = [2**i for i in range(_LONGEST_CURVE.bit_length()) if 2**i <= fewest]
            rng = np.random.default_rng(derive_seed("bootstrap", policy, family))
            plan = config.measurement
            curve = pass_at_k_curve(own, ks, rng, plan.bootstrap, plan.alpha)
            points += [
                out.PassAtK(
                    policy=policy,
                    interface=plan.interface,
                    family=family,
                    k=point.k,
                    value=_interval(point.value),
                    draws=point.draws,
                )
                for point in curve
            ]
    return points


def _flows(
    config: StudyConfig, arms: Mapping[str, list[TaskCounts]], base: list[TaskCounts]
) -> list[out.SupportFlow]:
    plan = config.measurement
    return [
        out.SupportFlow(
            policy=flow.policy,
            seed=flow.seed,
            reference=plan.interface,
            interface=plan.interface,
            family=flow.family,
            attempts=flow.attempts,
            counts={change.value: int(count) for change, count in flow.counts.items()},
            excluded_by_chance=flow.excluded_by_chance,
        )
        for rows in arms.values()
        for flow in support_flows(rows, base, plan.headline, plan.alpha)
    ]


def _verdicts(
    config: StudyConfig, arms: Mapping[str, list[TaskCounts]], base: list[TaskCounts]
) -> list[out.ArmVerdict]:
    plan = config.measurement
    rules = Rules(plan.headline, plan.alpha, plan.minimum_share, plan.equivalence)
    evidence = [ArmEvidence(name, rows) for name, rows in arms.items()]
    labels = {name: arm.label for name, arm in config.arms.items()}
    return [_verdict(verdict, labels[verdict.policy]) for verdict in judge(evidence, base, rules)]


def _verdict(verdict: Verdict, called: str) -> out.ArmVerdict:
    return out.ArmVerdict(
        policy=verdict.policy,
        family=verdict.family,
        attempts=verdict.rules.attempts,
        verdicts=[claim.value for claim in verdict.claims],
        sentence=describe(replace(verdict, policy=called)),
        created_share=_interval(verdict.created_share),
        lost_share=_interval(verdict.lost_share),
        noise_floor=verdict.cell.noise_floor,
        pass_at_1_gain=_interval(verdict.pass_at_1_gain),
        pass_at_b_gain=_interval(verdict.pass_at_b_gain),
        seeds_agreeing=verdict.seeds_agreeing,
        seeds=verdict.seeds,
        further_draws=verdict.further_draws,
    )


def _effects(
    config: StudyConfig, bare: list[TaskCounts], base: list[TaskCounts]
) -> list[out.InterfaceEffect]:
    plan = config.measurement
    return [
        out.InterfaceEffect(
            family=effect.family,
            without=_interval(effect.without),
            with_tools=_interval(effect.with_tools),
            gained_tasks=effect.gained_tasks,
            tasks=effect.tasks,
        )
        for effect in interface_effects(bare, base, plan.headline, plan.alpha)
    ]


def _consumption(config: StudyConfig, folder: StudyFolder) -> list[out.Consumption]:
    rows = []
    for policy in (BASE, *config.arms):
        for seed in config.seeds:
            stage = f"base/seed-{seed}" if policy == BASE else f"arm/{policy}/seed-{seed}"
            result = stage_result(folder, stage)
            spent = {
                name: result.get(name, result.get("stage_s", 0) if name == "wall_s" else 0)
                for name in out.Consumption.model_fields
                if name not in ("policy", "seed")
            }
            rows.append(out.Consumption.model_validate({"policy": policy, "seed": seed, **spent}))
    return rows


def _training_curves(config: StudyConfig, folder: StudyFolder) -> list[out.CurvePoint]:
    return [
        out.CurvePoint.model_validate({"policy": name, "seed": seed, **point})
        for name in config.arms
        for seed in config.seeds
        for point in records(stage_result(folder, f"arm/{name}/seed-{seed}").get("curve", []))
    ]


def _gates(config: StudyConfig, folder: StudyFolder) -> list[out.GateResult]:
    gates = []
    for name, gate in config.gates.items():
        for seed in config.seeds:
            rows = list(records(stage_result(folder, f"gate/{name}/seed-{seed}")["counts"]))
            n, c = (sum(whole(row[key]) for row in rows) for key in ("n", "c"))
            low, high = clopper_pearson(n, c, config.measurement.alpha)
            value = out.Interval(estimate=c / max(n, 1), low=float(low), high=float(high), n=n)
            gates.append(
                out.GateResult(
                    seed=seed,
                    name=name,
                    value=value,
                    low=gate.low,
                    high=gate.high,
                    passed=gate.low <= value.estimate <= gate.high,
                )
            )
    return gates


def _trajectories(
    config: StudyConfig, folder: StudyFolder, families: Families
) -> list[out.ShownTrajectory]:
    plan = config.measurement
    seed = config.seeds[0]
    sources = []
    for policy in (BASE, *config.arms):
        stage = folder.stage(f"measure/{policy}/{plan.interface}/seed-{seed}")
        store = TrajectoryStore(stage / "trajectories")
        read = partial(_of_family, store)
        sources.append(Source(policy, seed, plan.interface, read))
    tasks: dict[str, Task] = {
        task.hash: task
        for family in config.families
        for task in families.first(family, "held_out", plan.tasks)
    }
    return choose(sources, list(config.families), tasks, _SHOWN)


def _of_family(store: TrajectoryStore, family: str) -> Iterator[Trajectory]:
    return store.read(family=family)


def _notes(config: StudyConfig, measured: Sequence[Measured], folder: StudyFolder) -> list[str]:
    notes = [
        f"The base of seed {gate.seed} did not pass the gate '{gate.name}': measured "
        f"{gate.value.estimate:.3g} (n={gate.value.n}), demanded {gate.low} to {gate.high}."
        for gate in _gates(config, folder)
        if not gate.passed
    ]
    failed = sum(whole(row["failed"]) for m in measured for row in m.rows)
    total = sum(whole(row["n"]) for m in measured for row in m.rows)
    if failed:
        notes.append(f"{failed} of {total + failed} attempts failed and are unscored.")
    truncated = sum(whole(row["truncated"]) for m in measured for row in m.rows)
    notes.append(
        f"{truncated:,} of {total:,} measured attempts ({truncated / max(total, 1):.1%}) were "
        "ended by a budget and scored as they stood."
    )
    return notes


def _stage_seconds(folder: StudyFolder) -> dict[str, float]:
    seconds = {}
    for marker in sorted(folder.path.glob("**/done.json")):
        name = marker.parent.relative_to(folder.path).as_posix()
        seconds[name] = real(stage_result(folder, name).get("stage_s", 0.0))
    return seconds


def _interval(estimate: Estimate) -> out.Interval:
    return out.Interval(
        estimate=estimate.estimate, low=estimate.low, high=estimate.high, n=estimate.n
    )
