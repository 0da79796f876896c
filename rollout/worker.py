"""What one worker process of a fleet does: it holds an agent and plays what it is handed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reachgym.agents.protocol import Agent, FloatArray, TokenSequence
from reachgym.envs.errors import EpisodeError, InputError
from reachgym.rollout.codec import encode
from reachgym.rollout.env_pool import EnvPool
from reachgym.rollout.episode import Attempt
from reachgym.rollout.scheduler import Scheduler
from reachgym.rollout.trajectory import Trajectory

# Finished attempts are reported at least this often: what is not reported is lost with a worker.
_REPORT_S = 1.0


@runtime_checkable
class Learnable(Protocol):
    """An agent whose weights can be replaced while it runs."""

    def load_weights(self, state: Mapping[str, npt.NDArray[np.generic]], version: int, /) -> None:
        """Take weights by name; the arrays are read-only and shared with other processes."""
        ...


@runtime_checkable
class Scoring(Protocol):
    """An agent that knows how likely its tokens are."""

    def score(self, sequences: Sequence[TokenSequence], /) -> list[FloatArray]:
        """Natural log-probabilities of the sampled ids of each sequence."""
        ...


class Worker:
    """Plays attempts with an agent of its own; attempts stay in flight between calls."""

    def __init__(self, slots: int, lock_step: bool) -> None:
        self._slots = slots
        self._lock_step = lock_step
        self._pool = EnvPool(capacity=slots)
        self._agent: Agent | None = None
        self._scheduler: Scheduler | None = None

    def open(
        self,
        agent_factory: Callable[[], Agent],
        weights: Mapping[str, npt.NDArray[np.generic]] | None,
        version: int,
    ) -> None:
        """Build the agent, with the weights that were published last, if any were."""
        self._agent = agent_factory()
        self._scheduler = Scheduler(
            self._agent, slots=self._slots, pool=self._pool, lock_step=self._lock_step
        )
        if weights is not None:
            self.load(weights, version)

    def load(self, weights: Mapping[str, npt.NDArray[np.generic]], version: int) -> None:
        """Give the agent new weights.

        Raises:
            InputError: The agent has none.
        """
        if not isinstance(self._agent, Learnable):
            raise InputError(
                f"{type(self._agent).__name__} takes no weights; publish to agents that offer "
                "load_weights(state, version)"
            )
        self._agent.load_weights(weights, version)

    def work(self, attempts: Sequence[Attempt], more: bool) -> pa.Table:
        """Add attempts and play; returns those that have finished, as rows.

        Args:
            attempts: What is new.
            more: There are further attempts to be had: return as soon as a slot would be empty.
        """
        scheduler = self._opened()
        scheduler.add(attempts)
        finished: list[Trajectory] = []
        deadline_s = time.monotonic() + _REPORT_S
        while scheduler.unfinished:
            finished += scheduler.round()
            hungry = more and scheduler.unfinished < self._slots
            if finished and (hungry or time.monotonic() > deadline_s):
                break
        return encode(finished)

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Score whole episodes with the agent's weights.

        Raises:
            InputError: The agent scores nothing.
        """
        if not isinstance(self._agent, Scoring):
            raise InputError(
                f"{type(self._agent).__name__} scores nothing; score with a policy that offers "
                "score(sequences)"
            )
        return self._agent.score(sequences)

    def clear(self) -> None:
        """Forget the attempts in flight."""
        self._opened().clear()

    def close(self) -> None:
        """Close the environments."""
        if self._scheduler is not None:
            self._scheduler.close()
        self._pool.close()

    def _opened(self) -> Scheduler:
        if self._scheduler is None:
            raise EpisodeError("the worker has no agent yet; call open() first")
        return self._scheduler
