"""Episodes on Ray: a fleet of worker processes, its weights, and the runs it plays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa
import ray

from reachgym.agents.protocol import Agent, FloatArray, TokenSequence
from reachgym.envs.errors import ConfigError
from reachgym.rollout.calls import fetch
from reachgym.rollout.cluster import ONE_THREAD, connect, disconnect, guarded_stdout
from reachgym.rollout.codec import decode
from reachgym.rollout.crew import Crew, Outfit
from reachgym.rollout.episode import Attempt
from reachgym.rollout.fleet_run import Run
from reachgym.rollout.placement import Demand, Reservation, Strategy
from reachgym.rollout.progress import Progress
from reachgym.rollout.scoring import score_in_chunks
from reachgym.rollout.staleness import Staleness
from reachgym.rollout.trajectory import Trajectory
from reachgym.rollout.worker import Publication, Weights

__all__ = ["ONE_THREAD", "Fleet", "Strategy", "connect", "disconnect", "guarded_stdout"]

# Attempts a worker holds, in units of its slots: as many wait as are in flight, so that slots that
# become free are refilled before the worker has to ask.
_HELD_PER_SLOT = 2


class Fleet:
    """Worker processes on the connected cluster, each with an agent of its own.

    Used as a context manager it closes at the end. `publish` may be called from any thread; the
    rest belongs to one.
    """

    def __init__(
        self,
        agent_factory: Callable[[], Agent],
        *,
        workers: int,
        slots: int,
        num_cpus: float = 1.0,
        num_gpus: float = 0.0,
        resources: Mapping[str, float] | None = None,
        strategy: Strategy = "SPREAD",
        wait_s: float = 600.0,
        most_held: int | None = None,
        max_staleness: int | None = None,
        lock_step: bool = False,
    ) -> None:
        """Reserve room for all workers, start them, and wait until every agent is built.

        Args:
            agent_factory: Builds an agent; called in each worker's process.
            workers: How many processes.
            slots: Episodes in flight in each.
            num_cpus: CPUs that Ray reserves for each.
            num_gpus: GPUs that Ray reserves for each; a fraction shares one.
            resources: What else Ray reserves for each, by the names that nodes were started with.
            strategy: SPREAD, over as many nodes as there are: workers have nothing to say to one
                another, a node's death takes the fewest of them, and their sandboxes, which Ray
                does not count, get the most cores. PACK, on as few as will do: an autoscaler then
                rents the fewest, and weights travel to the fewest.
            wait_s: How long to wait for room that the cluster has not, or not free, yet.
            most_held: Attempts that a worker may hold: under way, waiting, or finished and not
                taken by the consumer of a run; None is twice the slots.
            max_staleness: How many versions the first turn of a trajectory may be behind the
                published weights when it is handed out; those further behind are made anew. 0 is
                strictly on-policy, None is no bound.
            lock_step: Batches wait for every environment, which makes runs reproducible to the
                last bit and slow tools costly.

        Raises:
            ConfigError: The cluster has not what the workers need, or a number makes no sense.
            InfrastructureError: Others hold what the workers need, or workers die at once.
            Exception: What the factory raised.
        """
        if slots < 1:
            raise ConfigError(f"expected slots of 1 or more; got {slots}")
        self._most_held = _HELD_PER_SLOT * slots if most_held is None else most_held
        if self._most_held < slots:
            raise ConfigError(f"expected most_held of {slots} slots or more; got {most_held}")
        self._staleness = Staleness(max_staleness)
        demand = Demand(workers, num_cpus, num_gpus, resources or {})
        outfit = Outfit(agent_factory, slots, lock_step, max_staleness)
        self._crew = Crew(outfit, Reservation(demand, strategy=strategy, wait_s=wait_s))
        self._runs = 0
        self._running = False

    def run(
        self,
        attempts: Iterable[Attempt],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[Trajectory]:
        """Play attempts and yield each once, as it finishes.

        The attempts of a worker that dies are played again, in ever smaller lots; those that
        keep killing their workers become failures. Workers play on while the consumer is busy,
        until each holds `most_held` attempts.

        Raises:
            InfrastructureError: Workers cannot be started any more.
        """
        run = self._begin(attempts)
        for table in self._tables(run, on_progress):
            for trajectory in decode(table):
                # There may have been a publication since the last one was taken.
                if trajectory.turns and self._is_stale(trajectory.policy_version):
                    run.renew(trajectory.key)
                else:
                    yield trajectory

    def run_tables(
        self,
        attempts: Iterable[Attempt],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Iterator[pa.Table]:
        """The same as rows of `codec.SCHEMA`, as the workers encoded them."""
        return self._tables(self._begin(attempts), on_progress)

    def publish(self, weights: Weights | ray.ObjectRef, version: int) -> None:
        """Give every worker new weights, through one copy in each node's object store.

        Between runs this waits until every worker has them. During a run, that is between two
        trajectories or from another thread, it does not: each worker loads them as soon as they
        have reached its node, between two steps of its play, and nobody waits for the others.
        What the agents raise then is raised by the run.

        Args:
            weights: Arrays by name, or a reference to such a mapping in the object store.
            version: What the completions sampled with them will carry.

        Raises:
            InputError: The agents take no weights, or there is a bound on staleness and the
                version is not above the last.
        """
        self._staleness.check_next(version, self._crew.published.version)
        shared = weights if isinstance(weights, ray.ObjectRef) else ray.put(dict(weights))
        self._crew.publish(Publication((shared,), version))
        if not self._running:
            self._crew.settle()

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Log-probabilities of the sampled ids of whole episodes under the published weights.

        Returns:
            One float32 array per sequence, in order, as `Policy.score` gives it.

        Raises:
            InputError: The agents score nothing.
            InfrastructureError: The same sequences killed several workers.
        """
        return score_in_chunks(
            sequences, len(self._crew), self._crew.score, fetch, self._crew.replace
        )

    def close(self) -> None:
        """End the workers, after they have closed their environments if they can do so soon."""
        self._crew.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, attempts: Iterable[Attempt]) -> Run:
        self._runs += 1
        return Run(
            self._crew,
            attempts,
            number=self._runs,
            most_held=self._most_held,
            staleness=self._staleness,
        )

    def _tables(
        self, run: Run, on_progress: Callable[[Progress], None] | None
    ) -> Iterator[pa.Table]:
        self._running = True
        try:
            for table in run.tables():
                if on_progress is not None:
                    on_progress(run.progress())
                yield table
        finally:
            self._running = False

    def _is_stale(self, first_turn: int) -> bool:
        return self._staleness.is_stale(first_turn, self._crew.published.version)
