"""Running a bench: the attempts that are not there yet, agent after agent, and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console

from reachgym.agents.protocol import Agent
from reachgym.envs.errors import ConfigError
from reachgym.rollout.cluster import connect, disconnect
from reachgym.rollout.episode import Attempt
from reachgym.rollout.fleet import Fleet
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.acting import factory_of, is_of_one_environment
from reachgym.study.bench.analyse import analyse
from reachgym.study.bench.folder import BenchFolder
from reachgym.study.bench.results import BenchResults
from reachgym.study.bench.suite import Suite, suites_of
from reachgym.study.config.bench import BenchConfig
from reachgym.study.rollout_view import RolloutView

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class _Job:
    """Attempts that one fleet can make."""

    agent: str
    factory: Callable[[], Agent]
    attempts: list[Attempt]


def run_bench(config: BenchConfig, out: Path, limit: int | None, console: Console) -> BenchResults:
    """Make the attempts that are not there yet, and measure all of them.

    Running it again goes on where it stopped, and tries again what failed for other reasons than
    the agent.

    Args:
        config: The bench.
        out: Its folder.
        limit: At most so many tasks of an environment, and one attempt at each; None for all.
        console: Where progress is shown.

    Raises:
        InputError: An environment or an agent cannot be made, or two suites have the same name.
        StoreError: The folder holds something else.
    """
    suites = suites_of(config, limit)
    _check_names(suites)
    jobs = list(_jobs(config, suites))
    folder = BenchFolder.open(out, config, suites, limit)
    with TrajectoryStore(folder.trajectories) as store:
        # Another process that writes there is told of before anything is started.
        store.lock()
        folder.record(config, suites, limit)
        _make(config, jobs, store, console)
        results = analyse(config, suites, store, limit)
        _tell_failure(store, console)
    results.write(folder.path / RESULTS)
    return results


def _tell_failure(store: TrajectoryStore, console: Console) -> None:
    """The first of what broke off: often all did for the same reason."""
    kept = store.columns(["policy", "failure_kind", "failure_message"])
    failed = kept.filter(pc.is_valid(kept["failure_kind"])).slice(0, 1).to_pylist()
    for row in failed:
        console.print(
            f"an attempt of {row['policy']} broke off: {row['failure_kind']}: "
            f"{row['failure_message']}",
            markup=False,
            highlight=False,
        )


def _check_names(suites: Sequence[Suite]) -> None:
    names = [suite.name for suite in suites]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two environments within their budgets are both called '{name}'; rename one"
            )


def _jobs(config: BenchConfig, suites: Sequence[Suite]) -> Iterator[_Job]:
    """What every fleet is to make; the agents are looked at before anything is started."""
    slots, gpus = config.resources.slots, config.resources.worker_gpus
    for name, agent in config.agents.items():
        if not is_of_one_environment(agent):
            factory = factory_of(agent, "", slots, gpus)
            yield _Job(name, factory, [attempt for suite in suites for attempt in suite.of(name)])
            continue
        for env_id in dict.fromkeys(suite.ref.id for suite in suites):
            asked = [suite for suite in suites if suite.ref.id == env_id]
            factory = factory_of(agent, env_id, slots, gpus)
            yield _Job(name, factory, [attempt for suite in asked for attempt in suite.of(name)])


def _make(
    config: BenchConfig, jobs: Sequence[_Job], store: TrajectoryStore, console: Console
) -> None:
    left = [_Job(job.agent, job.factory, _left(job.attempts, store)) for job in jobs]
    asked, missing = (sum(len(job.attempts) for job in group) for group in (jobs, left))
    if missing < asked:
        console.print(f"{asked - missing} of {asked} attempts are there already", highlight=False)
    if not missing:
        return
    place = config.resources
    # An agent's workers start while those of the last one still close their environments.
    connect(place.address, num_cpus=2 * place.workers, working_dir=place.working_dir)
    try:
        for job in left:
            if job.attempts:
                _play(config, job, store, console)
    finally:
        disconnect()


def _left(attempts: Sequence[Attempt], store: TrajectoryStore) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.key not in store]


def _play(config: BenchConfig, job: _Job, store: TrajectoryStore, console: Console) -> None:
    place = config.resources
    env_ids = ", ".join(dict.fromkeys(attempt.env.id for attempt in job.attempts))
    console.print(
        f"{job.agent}: {len(job.attempts)} attempts at {env_ids}", markup=False, highlight=False
    )
    fleet = Fleet(
        job.factory,
        workers=place.workers,
        slots=place.slots,
        num_gpus=place.worker_gpus,
        resources=place.worker_resources,
    )
    with fleet, RolloutView(console) as view:
        # Tables of many rows: a shard for each attempt would cost far more than the attempt.
        for table in fleet.run_tables(job.attempts, on_progress=view.update):
            store.append_table(table)
