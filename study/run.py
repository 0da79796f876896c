"""A whole study: its jobs in order, then the results and the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from reachgym.rollout.fleet import connect, disconnect
from reachgym.study.analyse import analyse
from reachgym.study.arms import train_on_policy, train_sft
from reachgym.study.base import copy_base, pretrain_base
from reachgym.study.config import SFTArm, StudyConfig
from reachgym.study.families import Families
from reachgym.study.folder import StudyFolder, write_atomically
from reachgym.study.lane import Lane
from reachgym.study.measure import Draws, measure
from reachgym.study.plan import Executor, Job
from reachgym.study.progress import StudyProgress
from reachgym.study.report.html import write_report
from reachgym.study.results import Results

# Expected seconds on one laptop core, for the order of jobs and the time left; only ratios matter.
_DOCUMENT_S = 0.0025
_DEMONSTRATION_S = 0.002
_ON_POLICY_ATTEMPT_S = 0.005
_MEASURED_ATTEMPT_S = 0.0008
_STAGE_S = 2.0


def run_study(config: StudyConfig, out: Path, console: Console) -> Results:
    """Run a study, or what is left of it, and write `results.json` and `report.html`.

    Raises:
        StoreError: `out` belongs to something else.
        ReachgymError: A stage failed; what was finished before it is kept.
    """
    folder = StudyFolder.open(out, config)
    families = Families(config)
    jobs = list(_jobs(config, families, folder))
    left = {job.name: job.cost for job in jobs if folder.result(job.name) is None}
    if left:
        with StudyProgress(left, console) as progress:
            _execute(config, jobs, folder, progress)
    results = analyse(config, folder, families)
    write_atomically(out / "results.json", results.model_dump_json(indent=1))
    write_report(results, out / "report.html")
    return results


def _execute(
    config: StudyConfig, jobs: list[Job[Lane]], folder: StudyFolder, progress: StudyProgress
) -> None:
    resources = config.resources
    connect(
        resources.address,
        num_cpus=max(
            1, round(resources.lanes * resources.workers_per_lane * resources.worker_cpus)
        ),
    )
    try:
        lanes = [lambda: Lane(config)] * resources.lanes
        Executor(jobs, folder, progress).run(lanes)
    finally:
        # Ending Ray ends every learner and worker, also those of a lane that was interrupted.
        disconnect()


def _jobs(config: StudyConfig, families: Families, folder: StudyFolder) -> Iterator[Job[Lane]]:
    for seed in config.seeds:
        yield _base_job(config, seed)
    for seed in config.seeds:
        yield from _gate_jobs(config, families, folder, seed)
    # Trainings before measurements, and the longest first, so that lanes end together.
    arms = [job for seed in config.seeds for job in _arm_jobs(config, families, folder, seed)]
    yield from sorted(arms, key=lambda job: -job.cost)
    measures = [
        job for seed in config.seeds for job in _measure_jobs(config, families, folder, seed)
    ]
    yield from sorted(measures, key=lambda job: -job.cost)


def _base_job(config: StudyConfig, seed: int) -> Job[Lane]:
    name = f"base/seed-{seed}"
    if config.pretraining is None:
        if config.model.checkpoint is None:
            raise ValueError("a validated configuration has pretraining or a checkpoint")
        return Job(name, (), _STAGE_S, copy_base(config.model.checkpoint))
    plan = config.pretraining
    cost = plan.steps * plan.batch * _DOCUMENT_S
    return Job(name, (), cost, pretrain_base(plan, seed))


def _gate_jobs(
    config: StudyConfig, families: Families, folder: StudyFolder, seed: int
) -> Iterator[Job[Lane]]:
    base = f"base/seed-{seed}"
    for name, gate in config.gates.items():
        draws = [Draws(gate.family, "validation", gate.tasks, gate.attempts)]
        stage = f"gate/{name}/seed-{seed}"
        yield _measure_job(config, families, folder, stage, base, gate.interface, draws)


def _arm_jobs(
    config: StudyConfig, families: Families, folder: StudyFolder, seed: int
) -> Iterator[Job[Lane]]:
    base_name = f"base/seed-{seed}"
    base = folder.stage(base_name) / "checkpoint"
    for name, arm in config.arms.items():
        if isinstance(arm, SFTArm):
            shown = arm.demonstrations * len(config.training_families())
            cost = arm.steps * arm.batch * _DOCUMENT_S + shown * _DEMONSTRATION_S
            run = train_sft(config, families, arm, base, seed)
        else:
            cost = arm.steps * arm.prompts * arm.attempts * _ON_POLICY_ATTEMPT_S
            run = train_on_policy(config, families, arm, name, base, seed)
        yield Job(f"arm/{name}/seed-{seed}", (base_name,), cost, run)


def _measure_jobs(
    config: StudyConfig, families: Families, folder: StudyFolder, seed: int
) -> Iterator[Job[Lane]]:
    plan = config.measurement
    base_draws = [
        Draws(name, "held_out", plan.tasks, family.base_draws)
        for name, family in config.families.items()
    ]
    bare_draws = [Draws(name, "held_out", plan.tasks, plan.bare_draws) for name in config.families]
    arm_draws = [
        Draws(name, "held_out", plan.tasks, family.arm_draws)
        for name, family in config.families.items()
    ]
    wanted = [
        ("base", f"base/seed-{seed}", plan.interface, base_draws),
        ("base", f"base/seed-{seed}", plan.bare_interface, bare_draws),
        *((name, f"arm/{name}/seed-{seed}", plan.interface, arm_draws) for name in config.arms),
    ]
    for policy, needs, interface, draws in wanted:
        name = f"measure/{policy}/{interface}/seed-{seed}"
        yield _measure_job(config, families, folder, name, needs, interface, draws)


def _measure_job(
    config: StudyConfig,
    families: Families,
    folder: StudyFolder,
    name: str,
    needs: str,
    interface: str,
    draws: list[Draws],
) -> Job[Lane]:
    checkpoint = folder.stage(needs) / "checkpoint"
    cost = _STAGE_S + sum(draw.tasks * draw.attempts for draw in draws) * _MEASURED_ATTEMPT_S
    run = measure(families, draws, config.interfaces[interface], name, checkpoint)
    return Job(name, (needs,), cost, run)
