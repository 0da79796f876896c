"""Attempts from one milestone to the next: what multilevel splitting runs, on real episodes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from reachgym.agents.batch_engine import complete
from reachgym.agents.protocol import Agent, Exchange, TokenTally
from reachgym.envs.errors import InfrastructureError, InputError
from reachgym.envs.record import Snapshot
from reachgym.envs.registration import make
from reachgym.envs.types import Message
from reachgym.rollout.episode import Attempt, Episode
from reachgym.rollout.trajectory import Trajectory, Turn, Usage


@dataclass(frozen=True, slots=True)
class Moment:
    """An attempt between two turns, with all it has used; or one that has succeeded.

    Attributes:
        level: How many levels of the splitting lie behind it.
        milestones: How many of the task's milestones are reached, from the first on.
        opening: The messages that the environment opened with.
        turns: What happened since.
        usage: What of the attempt's budget is used.
        elapsed_s: How much of its wall time.
        snapshot: The environment of that moment; None where the attempt has succeeded.
    """

    level: int
    milestones: int
    opening: tuple[Message, ...]
    turns: tuple[Turn, ...]
    usage: Usage
    elapsed_s: float
    snapshot: Snapshot | None


class MilestoneRuns:
    """Plays attempts on from a moment to the next milestone: `run` of `multilevel_splitting`.

    A level ends where the next milestone is reached and the episode goes on, the last level where
    the attempt passes. An attempt that reaches several milestones in one turn has them behind it in
    the levels that follow, and one that passes has them all; so the product over levels is that of
    necessary events, however many of a task's milestones are made levels.

    What an attempt may spend holds over all of its levels: a moment has used what was used on the
    way to it, of turns, calls, tokens and seconds alike. Seeds of turns follow from the seed of the
    call and the turn's number.

    Snapshots are kept until `close`; of episodes that have a session each holds one open.
    """

    def __init__(self, agent: Agent, attempt: Attempt, milestones: int | None = None) -> None:
        """Runs of one policy at one task.

        Args:
            agent: Who acts.
            attempt: What is attempted, where and under which budget; its seed is not used.
            milestones: How many of the task's milestones to make levels, the first ones; None for
                all. More than there are does no harm but to the bound, which reckons with as many
                levels.

        Raises:
            InputError: There is no such environment, or the number of milestones is below 0.
        """
        if milestones is not None and milestones < 0:
            raise InputError(f"milestones expects a count from 0 on, got {milestones}")
        self._agent = agent
        self._attempt = attempt
        self._env = make(attempt.env)
        if milestones is None:
            milestones = len(self._env.milestones(attempt.task))
        self.levels = milestones + 1
        self._kept = ExitStack()
        self._kept.callback(self._env.close)

    def start(self) -> Moment:
        """The moment in which every attempt begins.

        Raises:
            InfrastructureError: The task cannot be posed.
        """
        episode = _Segment(self._env, self._attempt)
        episode.start()
        _require_scored(episode)
        return self._keep(episode.moment(level=0))

    def __call__(self, state: Moment, seed: int) -> Moment | None:
        """Play on from a moment, which stays as it is.

        Args:
            state: Where to go on from.
            seed: Everything random follows from it; never negative.

        Returns:
            The moment in which the next level ends, or None if the attempt ended before.

        Raises:
            InfrastructureError: Agent, environment or verifier failed: the attempt has no score,
                and leaving it out might favour some attempts over others.
        """
        level = state.level + 1
        to_milestone = level < self.levels
        if state.snapshot is None or (to_milestone and state.milestones >= level):
            return replace(state, level=level)
        episode = _Segment(self._env, replace(self._attempt, seed=seed))
        episode.resume(state, state.snapshot)
        while episode.take_turn(self._agent):
            if to_milestone and self._env.reached >= level:
                return self._keep(episode.moment(level))
        _require_scored(episode)
        return self._succeeded(episode.trajectory(), level)

    def close(self) -> None:
        """Close every snapshot that was taken, and the environment; again does nothing."""
        self._kept.close()

    def __enter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _succeeded(self, trajectory: Trajectory, level: int) -> Moment | None:
        """The end of an attempt as a moment, if it passed: every milestone lies behind it."""
        if not trajectory.verdict.passed:
            return None
        return Moment(
            level=level,
            milestones=self.levels - 1,
            opening=trajectory.opening,
            turns=trajectory.turns,
            usage=trajectory.usage,
            elapsed_s=trajectory.timings.wall_s,
            snapshot=None,
        )

    def _keep(self, moment: Moment) -> Moment:
        self._kept.callback(_close, moment)
        return moment


class _Segment(Episode):
    """A part of an attempt: an episode that can be gone on with from a moment."""

    def resume(self, moment: Moment, snapshot: Snapshot) -> None:
        """Stands in for `start`.

        Raises:
            SandboxError: The snapshot's session cannot be branched.
        """
        self.env.restore(snapshot)
        self._opening = moment.opening
        self._turns = list(moment.turns)
        self._exchanges = [Exchange(turn.completion, turn.replies) for turn in moment.turns]
        self._tokens = TokenTally()
        for turn in moment.turns:
            self._tokens = self._tokens.after(turn.completion)
        self._usage = moment.usage
        self._started_s = self._clock() - moment.elapsed_s

    def take_turn(self, agent: Agent) -> bool:
        """Have the agent answer and the environment act on it; says whether the episode goes on."""
        (completion,) = complete(agent, [self.pending()])
        if isinstance(completion, Exception):
            self.fail(completion)
        else:
            self.advance(completion)
        return not self.finished

    def moment(self, level: int) -> Moment:
        """This moment; its snapshot is the caller's to close.

        Raises:
            SandboxError: A session is open that cannot be branched.
        """
        elapsed_s = self._elapsed_s()
        return Moment(
            level=level,
            milestones=self.env.reached,
            opening=tuple(self._opening),
            turns=tuple(self._turns),
            usage=self._usage,
            elapsed_s=elapsed_s,
            snapshot=self.env.snapshot(),
        )


def _require_scored(episode: Episode) -> None:
    if not episode.finished:
        return
    trajectory = episode.trajectory()
    if trajectory.verdict.passed is None:
        raise InfrastructureError(
            f"expected attempts of task '{trajectory.task_id}' that are scored, got "
            f"{trajectory.verdict.explanation!r}; mend that, and split again"
        )


def _close(moment: Moment) -> None:
    if moment.snapshot is not None:
        moment.snapshot.close()
