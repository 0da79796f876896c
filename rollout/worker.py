"""What one worker process of a fleet does: it holds an agent and plays what it is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray
from ray.exceptions import ObjectLostError

from reachgym.agents.protocol import Agent, FloatArray, TokenSequence
from reachgym.envs.errors import EpisodeError, InfrastructureError, InputError
from reachgym.rollout.calls import Call
from reachgym.rollout.codec import encode
from reachgym.rollout.episode import Attempt
from reachgym.rollout.player import Player

Weights: TypeAlias = Mapping[str, npt.NDArray[np.generic]]


@runtime_checkable
class Learnable(Protocol):
    """An agent whose weights can be replaced while it runs."""

    @property
    def version(self) -> int:
        """The version of the weights in use, which its completions carry."""
        ...

    def load_weights(self, state: Weights, version: int, /) -> None:
        """Take weights by name; the arrays are read-only and shared with other processes."""
        ...


@runtime_checkable
class Scoring(Protocol):
    """An agent that knows how likely its tokens are."""

    def score(self, sequences: Sequence[TokenSequence], /) -> list[FloatArray]:
        """Natural log-probabilities of the sampled ids of each sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Publication:
    """Weights that were published.

    Attributes:
        weights: One reference into the object store, or none before the first publication. It
            stands in a tuple so that Ray sends it on as it is instead of fetching it first.
        version: What completions sampled with them carry.
    """

    weights: tuple[Call, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """What a worker tells of its play: rows of `codec.SCHEMA`, and `Report`'s numbers."""

    rows: pa.Table
    in_flight: int
    version: int


# Names of concurrency groups, with their threads.
GROUPS = {"weights": 1, "scores": 1, "control": 1}


class Worker:
    """An actor around a `Player`.

    `exchange` waits for episodes; what must not wait behind it is called in the concurrency groups
    of `GROUPS`, each of which has a thread of its own.
    """

    def __init__(self, slots: int, lock_step: bool, max_staleness: int | None) -> None:
        self._slots = slots
        self._lock_step = lock_step
        self._max_staleness = max_staleness
        self._agent: Agent | None = None
        self._player: Player | None = None

    def open(self, agent_factory: Callable[[], Agent], published: Publication) -> str:
        """Build the agent, with the weights that were published last, if any were.

        Returns:
            The address of the node this is.
        """
        self._agent = agent_factory()
        if published.weights:
            _put(self._learnable(), _shared(published), published.version)
        self._player = Player(
            self._agent,
            slots=self._slots,
            lock_step=self._lock_step,
            max_staleness=self._max_staleness,
            version=published.version,
        )
        return str(ray.util.get_node_ip_address())

    def exchange(
        self, run: int, attempts: Sequence[Attempt], more: bool, published_version: int
    ) -> Played:
        """Take attempts in, and return what has finished; see `Player.exchange`."""
        player = self._opened()
        player.announce(published_version)
        report = player.exchange(run, attempts, more)
        return Played(encode(report.finished), report.in_flight, report.version)

    def load(self, published: Publication) -> None:
        """Give the agent new weights, between two steps of its play.

        Raises:
            InputError: The agent has none.
        """
        player = self._opened()
        player.announce(published.version)
        # Play goes on while the weights are on their way to this node.
        put = partial(_put, self._learnable(), _shared(published), published.version)
        player.load(put, published.version)

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Score whole episodes with the agent's weights, between two steps of its play.

        Raises:
            InputError: The agent scores nothing.
        """
        agent = self._agent
        if not isinstance(agent, Scoring):
            raise InputError(
                f"{type(agent).__name__} scores nothing; score with a policy that offers "
                "score(sequences)"
            )
        return self._opened().between_steps(partial(agent.score, sequences))

    def clear(self, run: int) -> None:
        """Forget the attempts of a run."""
        self._opened().clear(run)

    def close(self) -> None:
        """Close the environments."""
        self._opened().close()

    def _opened(self) -> Player:
        if self._player is None:
            raise EpisodeError("the worker has no agent yet; call open() first")
        return self._player

    def _learnable(self) -> Learnable:
        if not isinstance(self._agent, Learnable):
            raise InputError(
                f"{type(self._agent).__name__} takes no weights; publish to agents that offer "
                "load_weights(state, version) and version"
            )
        return self._agent


def _put(agent: Learnable, weights: Weights, version: int) -> None:
    agent.load_weights(weights, version)
    if agent.version < version:
        raise InputError(
            f"{type(agent).__name__} has version {agent.version} after load_weights of version "
            f"{version}; its version and its completions' policy_version must follow"
        )


def _shared(published: Publication) -> Weights:
    """The published arrays: read-only, in memory that all processes of this node share."""
    (reference,) = published.weights
    try:
        weights: Weights = ray.get(reference)
    except ObjectLostError as error:
        raise InfrastructureError(
            f"the weights of version {published.version} are gone with the node that held them; "
            "publish them again"
        ) from error
    return weights
