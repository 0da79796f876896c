"""How far a run of attempts has come, and what the fleet is at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker of a fleet.

    Attributes:
        node: Address of the machine it runs on; empty while it starts.
        starting: Whether its agent is still being built.
        held: Attempts it has: under way, waiting, or finished and not fetched.
        in_flight: Episodes under way, at its last report.
        version: Weights it had loaded, at its last report.
    """

    node: str
    starting: bool
    held: int
    in_flight: int
    version: int


@dataclass(frozen=True, slots=True)
class FleetState:
    """What a fleet is at.

    Attributes:
        workers: By number.
        queue: Attempts drawn from their stream that no worker has yet.
        deaths: Workers that died so far in this run.
        stale: Attempts made anew because their version was too old.
        version: The weights that were published last.
        failures: How many attempts of this run failed, by `Failure.kind`.
    """

    workers: tuple[WorkerState, ...]
    queue: int = 0
    deaths: int = 0
    stale: int = 0
    version: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """Episodes under way."""
        return sum(worker.in_flight for worker in self.workers)

    @property
    def starting(self) -> int:
        """Workers whose agents are still being built."""
        return sum(worker.starting for worker in self.workers)


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run.

    Attributes:
        done: Attempts finished, failures included.
        total: Attempts in all; None when they are drawn from a stream of unknown length.
        failed: Attempts that ended as failures.
        elapsed_s: Seconds since the run began.
        tokens: Tokens that the finished attempts sampled.
        fleet: What the fleet is at.
    """

    done: int
    total: int | None
    failed: int
    elapsed_s: float
    tokens: int = 0
    fleet: FleetState | None = None

    @property
    def rate(self) -> float:
        """Attempts finished a second, over the whole run; 0 before the first."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left at that rate, or None while it cannot be told."""
        if self.total is None or self.done == 0:
            return None
        return (self.total - self.done) * self.elapsed_s / self.done
