"""How far a run of attempts has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run.

    Attributes:
        done: Attempts finished, failures included.
        total: Attempts in all; None when they are drawn from a stream of unknown length.
        failed: Attempts that ended as failures.
        elapsed_s: Seconds since the run began.
    """

    done: int
    total: int | None
    failed: int
    elapsed_s: float

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
