"""Ray around the scheduler: workers on many cores or machines, their deaths, and their weights."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray
from ray.exceptions import RayActorError, RayTaskError

from reachgym.agents.protocol import Agent, FloatArray, TokenSequence
from reachgym.envs.errors import ConfigError, InfrastructureError
from reachgym.envs.types import StopReason, Verdict
from reachgym.rollout.codec import decode, encode, keys_of
from reachgym.rollout.episode import Attempt
from reachgym.rollout.progress import Progress
from reachgym.rollout.scoring import score_in_chunks
from reachgym.rollout.trajectory import Failure, Trajectory
from reachgym.rollout.worker import Worker
from reachgym.rollout.workload import Workload

Weights: TypeAlias = Mapping[str, npt.NDArray[np.generic]]
_Ray: TypeAlias = Any

# Several threads in each of several processes on the same cores slow all of them down many times.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_CLOSE_S = 5.0
_MAX_FAILED_STARTS = 3


def connect(address: str | None = None, *, num_cpus: int | None = None) -> None:
    """Start Ray on this machine, quietly, or join the cluster at `address`.

    Args:
        address: A cluster's address, or "auto" for the one on this machine; None starts one.
        num_cpus: How many CPUs a started one offers; ignored when joining.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The first error of a run is raised; Ray would print those of the other workers besides.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)


def disconnect() -> None:
    """Leave the cluster; ends it, with all of its workers, if `connect` started it."""
    ray.shutdown()


@dataclass(slots=True)
class _Place:
    """A worker and whether it is still being started; its number stays when it is replaced."""

    actor: _Ray
    opening: _Ray | None
    failed_starts: int = 0


class Fleet:
    """Worker processes on the connected cluster, each with an agent of its own.

    Used as a context manager it closes at the end.
    """

    def __init__(
        self,
        agent_factory: Callable[[], Agent],
        *,
        workers: int,
        slots: int,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        lock_step: bool = False,
    ) -> None:
        """Start the workers and wait until every agent is built.

        Args:
            agent_factory: Builds an agent; called in each worker's process.
            workers: How many processes.
            slots: Episodes in flight in each.
            num_cpus: CPUs that Ray reserves for each.
            num_gpus: GPUs that Ray reserves for each.
            lock_step: Batches wait for every environment, which makes runs reproducible to the
                last bit and slow tools costly.

        Raises:
            ConfigError: The cluster has not that many CPUs or GPUs.
            Exception: What the factory raised.
        """
        if workers < 1 or slots < 1:
            raise ConfigError(f"expected workers and slots of 1 or more; got {workers} and {slots}")
        _check_resources(workers, {"CPU": num_cpus, "GPU": num_gpus})
        self._factory = agent_factory
        self._slots = slots
        self._lock_step = lock_step
        self._actor_type = ray.remote(Worker).options(
            num_cpus=num_cpus, num_gpus=num_gpus, runtime_env={"env_vars": ONE_THREAD}
        )
        self._weights: _Ray | None = None
        self._version = 0
        self._places = [self._start() for _ in range(workers)]
        for place in self._places:
            _fetch(place.opening)
            place.opening = None

    def run(
        self,
        attempts: Iterable[Attempt],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[Trajectory]:
        """Play attempts and yield each once, as it finishes.

        The attempts of a worker that dies are played again, in ever smaller lots; those that
        keep killing their workers become failures.

        Raises:
            InfrastructureError: Workers cannot be started any more.
        """
        for table in self.run_tables(attempts, on_progress):
            yield from decode(table)

    def run_tables(
        self,
        attempts: Iterable[Attempt],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[pa.Table]:
        """The same as rows of `codec.SCHEMA`, as the workers encoded them."""
        total = len(attempts) if isinstance(attempts, Sized) else None
        started_s = time.monotonic()
        done = failed = 0
        for table in self._play(attempts):
            done += table.num_rows
            failed += table.num_rows - table["failure_kind"].null_count
            if on_progress is not None:
                on_progress(Progress(done, total, failed, time.monotonic() - started_s))
            yield table

    def publish(self, weights: Weights | ray.ObjectRef, version: int) -> None:
        """Give every worker new weights, through one copy in the object store.

        Args:
            weights: Arrays by name, or a reference to such a mapping in the object store.
            version: What the completions sampled with them will carry.

        Raises:
            InputError: The agents take no weights.
        """
        shared = weights if isinstance(weights, ray.ObjectRef) else ray.put(dict(weights))
        self._weights, self._version = shared, version
        loads = [place.actor.load.remote(shared, version) for place in self._places]
        for place, load in zip(self._places, loads, strict=True):
            try:
                _fetch(load)
            except RayActorError:
                self._replace(place)

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Log-probabilities of the sampled ids of whole episodes under the published weights.

        Returns:
            One float32 array per sequence, in order, as `Policy.score` gives it.

        Raises:
            InputError: The agents score nothing.
            InfrastructureError: The same sequences killed several workers.
        """
        places = self._places

        def call(number: int, chunk: Sequence[TokenSequence]) -> _Ray:
            return places[number].actor.score.remote(chunk)

        return score_in_chunks(
            sequences, len(places), call, _fetch, lambda number: self._replace(places[number])
        )

    def close(self) -> None:
        """End the workers, after they have closed their environments if they can do so soon."""
        closing = [p.actor.close.remote() for p in self._places if p.opening is None]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for place in self._places:
            ray.kill(place.actor)
        self._places = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _play(self, attempts: Iterable[Attempt]) -> Iterator[pa.Table]:
        work = Workload(attempts, workers=len(self._places), slots=self._slots)
        calls: dict[_Ray, int] = {}
        try:
            while not work.finished:
                self._call(work, calls)
                (answered, *_), _ = ray.wait(list(calls), num_returns=1)
                table = self._answer(work, calls.pop(answered), answered)
                if table is not None and table.num_rows:
                    yield table
        finally:
            # Only a run that was left early has attempts in flight.
            for number, place in enumerate(self._places):
                if work.holds(number):
                    place.actor.clear.remote()

    def _call(self, work: Workload, calls: dict[_Ray, int]) -> None:
        """Give every worker that waits something to do, if there is something."""
        for number, place in enumerate(self._places):
            if number in calls.values():
                continue
            if place.opening is not None:
                calls[place.opening] = number
                continue
            given, more = work.hand_out(number)
            if work.holds(number):
                calls[place.actor.work.remote(given, more)] = number

    def _answer(self, work: Workload, number: int, answered: _Ray) -> pa.Table | None:
        place = self._places[number]
        try:
            table = _fetch(answered)
        except RayActorError as error:
            self._replace(place)
            return encode(_given_up(attempt, error) for attempt in work.lose(number))
        place.opening, place.failed_starts = None, 0
        if table is not None:
            work.settle(number, keys_of(table))
        return table

    def _start(self) -> _Place:
        actor = self._actor_type.remote(self._slots, self._lock_step)
        return _Place(actor, actor.open.remote(self._factory, self._weights, self._version))

    def _replace(self, place: _Place) -> None:
        """Start a worker in place of one that died."""
        if place.opening is not None:
            place.failed_starts += 1
        if place.failed_starts >= _MAX_FAILED_STARTS:
            raise InfrastructureError(
                f"a worker died {place.failed_starts} times while its agent was built; look for "
                "memory that runs out, or for a library that ends the process"
            )
        ray.kill(place.actor)
        fresh = self._start()
        place.actor, place.opening = fresh.actor, fresh.opening


def _fetch(call: _Ray) -> Any:  # noqa: ANN401 - whatever the worker's method returns
    """What a call returned; what it raised is raised as it was, without Ray's frame around it."""
    try:
        return ray.get(call)
    except RayTaskError as error:
        raise error.cause from error


def _given_up(attempt: Attempt, error: RayActorError) -> Trajectory:
    """The record of an attempt that killed every worker that played it."""
    kind = type(error).__name__
    return Trajectory(
        key=attempt.key,
        task_id=attempt.task.id,
        family=attempt.task.family,
        split=attempt.task.split,
        env=attempt.env.text,
        policy_version=0,
        opening=(),
        turns=(),
        verdict=Verdict(None, None, f"{kind}: every worker that played it died"),
        stop_reason=StopReason.FAILED,
        failure=Failure(kind, f"every worker that played it died; the last: {error}"),
    )


def _check_resources(workers: int, each: Mapping[str, float]) -> None:
    offered = ray.cluster_resources()
    for name, amount in each.items():
        if workers * amount > offered.get(name, 0.0):
            raise ConfigError(
                f"{workers} workers of {amount:g} {name} need {workers * amount:g}, the cluster "
                f"has {offered.get(name, 0.0):g}; use fewer workers or a smaller share for each"
            )
