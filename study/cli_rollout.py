"""`reachgym rollout`: attempts at an environment's tasks, kept in a trajectory store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console

from reachgym.agents.protocol import Agent
from reachgym.envs.errors import ConfigError
from reachgym.envs.registration import EnvRef, make
from reachgym.envs.seeding import derive_seed
from reachgym.envs.types import SPLITS, Split
from reachgym.rollout.cluster import connect, disconnect
from reachgym.rollout.episode import Attempt
from reachgym.rollout.fleet import Fleet
from reachgym.rollout.progress import Progress
from reachgym.rollout.store import TrajectoryStore
from reachgym.study.acting import NamedAgent, factory_of
from reachgym.study.cli_envs import parse_kwargs
from reachgym.study.config.bench import OneAgent
from reachgym.study.config.loading import validated
from reachgym.study.rollout_view import RolloutView
from reachgym.study.tracking import METRICS, Track, Tracking


@dataclass(frozen=True, slots=True)
class Place:
    """Where the attempts are made, and what each worker gets there."""

    workers: int
    slots: int
    num_gpus: float
    resources: Mapping[str, float]
    address: str | None
    working_dir: Path | None
    dashboard: bool


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """What `reachgym rollout` was asked for."""

    env: str
    kwargs: tuple[str, ...]
    agent: NamedAgent
    tasks: int
    attempts: int
    split: str
    place: Place
    out: Path
    track: tuple[str, ...]


def parse_resources(given: Sequence[str]) -> dict[str, float]:
    """Amounts by name, from `NAME=AMOUNT`.

    Raises:
        ConfigError: One is not of this form.
    """
    amounts = {}
    for text in given:
        name, _, amount = text.partition("=")
        try:
            amounts[name] = float(amount)
        except ValueError:
            raise ConfigError(
                f"--resource expects NAME=AMOUNT, e.g. disk=1; got '{text}'"
            ) from None
    return amounts


def run_rollout(request: RolloutRequest, console: Console) -> None:
    """Make the attempts that the store does not hold yet, and print what came out.

    Raises:
        ConfigError: The split, the server or the agent does not exist.
    """
    factory = _factory(request)
    attempts = _attempts(request)
    tracking = Tracking(request.out, request.track)
    store = TrajectoryStore(request.out)
    # Another process that writes there is told of before anything is started.
    store.lock()
    left = [attempt for attempt in attempts if attempt.key not in store]
    console.print(f"Writing to {request.out.resolve()}", soft_wrap=True, highlight=False)
    if len(left) < len(attempts):
        console.print(f"{len(attempts) - len(left)} of {len(attempts)} attempts are there already")
    if left:
        place = request.place
        connect(
            place.address,
            num_cpus=place.workers,
            working_dir=place.working_dir,
            dashboard=place.dashboard,
        )
        try:
            with _fleet(factory, place) as fleet:
                track = tracking.open("rollout", request.out / METRICS)
                _keep(fleet, left, store, console, track)
        finally:
            disconnect()
    _print_outcome(store, console)


def _fleet(factory: Callable[[], Agent], place: Place) -> Fleet:
    return Fleet(
        factory,
        workers=place.workers,
        slots=place.slots,
        num_gpus=place.num_gpus,
        resources=place.resources,
    )


def _keep(
    fleet: Fleet, left: list[Attempt], store: TrajectoryStore, console: Console, track: Track
) -> None:
    with RolloutView(console) as view, closing(track):

        def show(progress: Progress) -> None:
            view.update(progress)
            track.log(progress.done, view.numbers())

        # Tables of many rows: a shard for each attempt would cost far more than the attempt.
        for table in fleet.run_tables(left, on_progress=show):
            store.append_table(table)


def _attempts(request: RolloutRequest) -> list[Attempt]:
    ref = EnvRef(request.env, parse_kwargs(request.kwargs))
    env = make(ref)
    split = _split(request.split)
    size = env.taskset.size(split)
    count = request.tasks if size is None else min(request.tasks, size)
    return [
        Attempt(
            task=(task := env.taskset.task(split, index)),
            env=ref,
            seed=derive_seed(request.agent.name, ref.text, task.hash, number),
            policy=request.agent.name,
            budget=env.budget,
        )
        for index in range(count)
        for number in range(request.attempts)
    ]


def _split(name: str) -> Split:
    for split in SPLITS:
        if split == name:
            return split
    raise ConfigError(f"--split expects one of {', '.join(SPLITS)}; got '{name}'")


def _factory(request: RolloutRequest) -> Callable[[], Agent]:
    agent = request.agent
    given = validated(OneAgent, {"agent": agent.content()}, "--agent").agent
    return factory_of(given, request.env, request.place.slots, request.place.num_gpus)


def _print_outcome(store: TrajectoryStore, console: Console) -> None:
    summary = store.summary()
    scored = summary.filter(pc.is_valid(summary["passed"]))
    solved = pc.sum(scored["passed"]).as_py() or 0
    failed = summary.num_rows - scored.num_rows
    console.print(f"solved {solved} of {scored.num_rows} scored attempts; {failed} failed unscored")
    if failed:
        first = next(attempt.failure for attempt in store.read() if attempt.failure)
        console.print(f"the first of them: {first.kind}: {first.message}", markup=False)
