"""A whole study: its jobs in order, then the results and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from reachgym.rollout.cluster import connect, disconnect
from reachgym.study.analyse import analyse
from reachgym.study.config.study import StudyConfig
from reachgym.study.families import Families
from reachgym.study.folder import StudyFolder, write_atomically
from reachgym.study.jobs import JobList
from reachgym.study.lane import Lane
from reachgym.study.plan import Executor, Job
from reachgym.study.progress import StudyProgress
from reachgym.study.report.html import write_report
from reachgym.study.results import Results
from reachgym.study.tracking import Tracking


def run_study(
    config: StudyConfig, out: Path, console: Console, track: Sequence[str] = ()
) -> Results:
    """Run a study, or what is left of it, and write `results.json` and `report.html`.

    Args:
        config: What to do.
        out: The study's folder; an interrupted study there is continued.
        console: Where progress is shown.
        track: Where numbers over time go besides the local files; see `Tracking`.

    Raises:
        ConfigError: `track` names something that is not there.
        StoreError: `out` belongs to something else.
        ReachgymError: A stage failed; what was finished before it is kept.
    """
    tracking = Tracking(out, track)
    folder = StudyFolder.open(out, config)
    families = Families(config)
    jobs = JobList(config, families, folder).all()
    left = {job.name: job.cost for job in jobs if folder.result(job.name) is None}
    if left:
        with StudyProgress(left, console) as progress:
            _execute(config, jobs, folder, progress, tracking)
    results = analyse(config, folder, families)
    write_atomically(out / "results.json", results.model_dump_json(indent=1))
    write_report(results, out / "report.html")
    return results


def _execute(
    config: StudyConfig,
    jobs: list[Job[Lane]],
    folder: StudyFolder,
    progress: StudyProgress,
    tracking: Tracking,
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
        Executor(jobs, folder, progress, tracking).run(lanes)
    finally:
        # Ending Ray ends every learner and worker, also those of a lane that was interrupted.
        disconnect()
