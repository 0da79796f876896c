"""From a folder of finished stages to `results.json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from reachgym.envs.types import Task
from reachgym.rollout.store import TrajectoryStore
from reachgym.rollout.trajectory import Trajectory
from reachgym.study import results as out
from reachgym.study.analysis import looks, scores, support, training
from reachgym.study.analysis.groups import groups_of
from reachgym.study.analysis.setting import setting_of
from reachgym.study.analysis.show import Source, choose
from reachgym.study.config.study import StudyConfig
from reachgym.study.families import Families
from reachgym.study.folder import StudyFolder
from reachgym.study.measure import TRAJECTORIES
from reachgym.study.measured import Measured, all_measured, real, records, stage_result, whole
from reachgym.study.stages import gate_stage, measure_stage
from reachgym.support import clopper_pearson

_SHOWN = 10


def analyse(config: StudyConfig, folder: StudyFolder, families: Families) -> out.Results:
    """Every number of a study whose stages are finished.

    Raises:
        StoreError: A stage is not finished.
    """
    measured = list(all_measured(config, folder))
    groups = groups_of(config, measured)
    curves = [[*support.curves(config, group)] for group in groups]
    consumed = [*training.consumption(config, folder)]
    episodes = [(g, found) for g in groups for found in scores.scored(config, folder, g)]
    pairs = list(zip(groups, curves, strict=True))
    return out.Results(
        setting=setting_of(config),
        gates=_gates(config, folder),
        measurements=[row for m in measured for row in support.measurements(config, m)],
        pass_at_k=[point for own in curves for point in own],
        flows=[flow for g in groups for flow in support.flows(config, g)],
        verdicts=[verdict for g in groups for verdict in support.verdicts(config, g)],
        interface_effects=[effect for g in groups for effect in support.effects(config, g)],
        dynamics=[row for g in groups for row in support.dynamics(config, g)],
        covers=[row for g in groups for row in support.covers(config, g)],
        crossings=[row for g, own in pairs for row in support.crossings(own, g)],
        evaluations=[*looks.evaluations(config, folder, groups[0])],
        economies=[*looks.economies(config, measured)],
        estimates=[row for g, own in episodes for row in scores.estimates(config, g, own)],
        energies=[row for g, own in episodes for row in scores.energies(config, g, own)],
        compositions=[row for g in groups for row in looks.compositions(config, g)],
        contrasts=[*looks.contrasts(config, groups[0])],
        compute_matched=[
            row for g in groups for row in looks.compute_matched(config, g, consumed, measured)
        ],
        consumption=consumed,
        curves=[*training.curves(config, folder)],
        discoveries=[*training.discoveries(config, folder)],
        trajectories=_trajectories(config, folder, families),
        stage_seconds=_stage_seconds(folder),
        notes=_notes(config, measured, folder),
    )


def _gates(config: StudyConfig, folder: StudyFolder) -> list[out.GateResult]:
    gates = []
    for name, gate in config.gates.items():
        for seed in config.seeds:
            rows = list(records(stage_result(folder, gate_stage(name, seed))["counts"]))
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
    seed, first = config.seeds[0], next(iter(config.bases))
    sources = []
    for policy in (first, *(t.policy for t in config.trained() if t.base == first)):
        stage = folder.stage(measure_stage(policy, plan.interface, seed))
        read = partial(_of_family, TrajectoryStore(stage / TRAJECTORIES))
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
    rows = [row for m in measured for row in m.rows]
    failed = sum(whole(row["failed"]) for row in rows)
    total = sum(whole(row["drawn"]) or whole(row["n"]) for row in rows)
    if failed:
        notes.append(f"{failed} of {total + failed} attempts failed and are unscored.")
    truncated = sum(whole(row["truncated"]) for row in rows)
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
