"""One episode: the turn loop as a state machine that keeps to an attempt's budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from reachgym.agents.batch_engine import complete
from reachgym.agents.protocol import (
    Agent,
    Completion,
    Conversation,
    Exchange,
    FinishReason,
    Limits,
    Request,
    TokenTally,
)
from reachgym.envs.errors import EpisodeError
from reachgym.envs.registration import EnvRef
from reachgym.envs.seeding import derive_seed
from reachgym.envs.tool_env import ToolEnv
from reachgym.envs.types import Budget, Message, StopReason, Task, ToolResult, Verdict
from reachgym.rollout.trajectory import (
    AttemptKey,
    Failure,
    Timings,
    Trajectory,
    Turn,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one policy at one task.

    Attributes:
        task: What to solve.
        env: The environment to solve it in.
        seed: Everything random in the attempt follows from it; never negative.
        policy: Who acts, e.g. `"base"` or `"rl_tools/seed-1"`.
        budget: What the attempt may spend.
        version: Which of the policy's weights are asked, counted by whoever makes the attempt.
    """

    task: Task
    env: EnvRef
    seed: int
    policy: str
    budget: Budget = field(default_factory=Budget)
    version: int = 0

    @property
    def key(self) -> AttemptKey:
        """The attempt's identity in a store."""
        return AttemptKey(self.task.hash, self.seed, self.policy, self.version)


class Episode:
    """An attempt under way: `start`, then `pending` and `advance` in turn until `finished`.

    Whatever the environment raises ends the episode as a failure, which is unscored; it never
    reaches the caller.
    """

    def __init__(
        self, env: ToolEnv, attempt: Attempt, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.attempt = attempt
        self.env = env
        self._clock = clock
        self._started_s = clock()
        self._opening: tuple[Message, ...] = ()
        self._turns: list[Turn] = []
        self._exchanges: list[Exchange] = []
        self._tokens = TokenTally()
        self._usage = Usage()
        self._trajectory: Trajectory | None = None
        self._broken = False

    @property
    def finished(self) -> bool:
        """Whether there is a trajectory."""
        return self._trajectory is not None

    @property
    def broken(self) -> bool:
        """Whether the episode was left half-way: its environment is fit for no other one."""
        return self._broken

    def start(self) -> None:
        """Reset the environment to the attempt's task, under the attempt's budget."""
        try:
            # Turns and calls are counted where they happen, so that an environment used bare
            # keeps the same rules; whatever budget it came with gives way to the attempt's.
            self.env.budget = self.attempt.budget
            self._opening, _ = self.env.reset(
                seed=self.attempt.seed, options={"task": self.attempt.task}
            )
        except Exception as error:
            self.fail(error)
        self._started_s = self._clock()

    def pending(self) -> Request:
        """What the agent is to answer next; the seed depends on the attempt and the turn only."""
        return Request(
            conversation=Conversation(self._opening, tuple(self._exchanges)),
            tools=self.env.tool_specs,
            limits=limits_left(self.attempt.budget, self._usage),
            seed=derive_seed(self.attempt.seed, len(self._turns)),
        )

    def advance(self, completion: Completion) -> None:
        """Take the agent's turn: run its calls, or end the episode.

        Raises:
            EpisodeError: The episode is finished.
        """
        if self.finished:
            raise EpisodeError("the episode is finished; start another one")
        self._turns.append(Turn(completion))
        try:
            self._count_completion(completion)
            reason = self._cut_by(completion) or self._step(completion)
            if reason is not None:
                self._score_as_it_stands(reason)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End the episode unscored, because something broke that is not the agent's doing."""
        self._broken = True
        failure = Failure(kind=type(error).__name__, message=str(error))
        verdict = Verdict(None, None, f"{failure.kind}: {failure.message}")
        self._finish(verdict, StopReason.FAILED, failure)

    def trajectory(self) -> Trajectory:
        """The finished attempt.

        Raises:
            EpisodeError: The episode is not finished.
        """
        if self._trajectory is None:
            raise EpisodeError("the episode is not finished; advance it until it is")
        return self._trajectory

    def _cut_by(self, completion: Completion) -> StopReason | None:
        """The budget that cut this completion, or that it oversteps: it is not a finished turn."""
        if completion.finish is FinishReason.ACTION_TOKENS:
            return StopReason.ACTION_TOKENS
        if completion.finish is FinishReason.CONTEXT_TOKENS:
            return StopReason.CONTEXT_TOKENS
        budget, usage = self.attempt.budget, self._usage
        return _first_reached(
            (StopReason.ACTION_TOKENS, usage.action_tokens - 1, budget.action_tokens),
            (StopReason.CONTEXT_TOKENS, usage.context_tokens - 1, budget.context_tokens),
            (StopReason.WALL, self._elapsed_s(), budget.wall_s),
        )

    def _step(self, completion: Completion) -> StopReason | None:
        """Step the environment; returns the budget that leaves no room for another turn."""
        calls_left = self._calls_left()
        replies, reward, terminated, truncated, info = self.env.step(completion.action)
        # Calls that the budget leaves no room for are answered, but were not run.
        results = tuple(info["results"][:calls_left])
        self._turns[-1] = Turn(completion, results, tuple(replies), float(reward))
        self._exchanges.append(Exchange(completion, tuple(replies)))
        self._count_results(results)
        if terminated or truncated:
            self._finish(info["verdict"], info["stop_reason"])
            return None
        budget, usage = self.attempt.budget, self._usage
        return _first_reached(
            (StopReason.ACTION_TOKENS, usage.action_tokens, budget.action_tokens),
            (StopReason.CONTEXT_TOKENS, usage.context_tokens, budget.context_tokens),
            (StopReason.WALL, self._elapsed_s(), budget.wall_s),
        )

    def _calls_left(self) -> int | None:
        limit = self.attempt.budget.tool_calls
        return None if limit is None else limit - self._usage.tool_calls

    def _count_completion(self, completion: Completion) -> None:
        self._tokens = self._tokens.after(completion)
        unread = sum(call.parse_error is not None for call in completion.message.tool_calls)
        self._usage = replace(
            self._usage,
            turns=self._usage.turns + 1,
            action_tokens=self._tokens.sampled,
            context_tokens=self._tokens.context,
            parse_errors=self._usage.parse_errors + unread,
        )

    def _count_results(self, results: Sequence[ToolResult]) -> None:
        """Count the calls that were run; those of a turn that failed are not known."""
        self._usage = replace(
            self._usage,
            tool_calls=self._usage.tool_calls + len(results),
            tool_errors=self._usage.tool_errors + sum(result.error for result in results),
        )

    def _score_as_it_stands(self, reason: StopReason) -> None:
        verdict = self.env.stop(reason)
        self._turns[-1] = replace(self._turns[-1], reward=verdict.reward or 0.0)
        self._finish(verdict, reason)

    def _elapsed_s(self) -> float:
        return self._clock() - self._started_s

    def _finish(self, verdict: Verdict, reason: StopReason, failure: Failure | None = None) -> None:
        task, turns = self.attempt.task, tuple(self._turns)
        self._trajectory = Trajectory(
            key=self.attempt.key,
            task_id=task.id,
            family=task.family,
            split=task.split,
            env=self.attempt.env.text,
            policy_version=turns[0].completion.policy_version if turns else 0,
            opening=tuple(self._opening),
            turns=turns,
            verdict=verdict,
            stop_reason=reason,
            failure=failure,
            sandbox=self.env.sandbox_level,
            usage=self._usage,
            timings=Timings(
                model_s=sum(turn.completion.seconds for turn in turns),
                tool_s=sum(result.seconds for turn in turns for result in turn.results),
                wall_s=self._elapsed_s(),
            ),
        )


def run_episode(agent: Agent, env: ToolEnv, attempt: Attempt) -> Trajectory:
    """Play one attempt to its end; a failure of agent or environment is part of the result."""
    episode = Episode(env, attempt)
    episode.start()
    while not episode.finished:
        for completion in complete(agent, [episode.pending()]):
            if isinstance(completion, Exception):
                episode.fail(completion)
            else:
                episode.advance(completion)
    return episode.trajectory()


def limits_left(budget: Budget, usage: Usage) -> Limits:
    """What bounds the next completion.

    `action_tokens` is what may still be sampled; `context_tokens` is the length that the whole
    token history may reach, for only the agent knows how many tokens the newest replies take.
    """
    limit = budget.action_tokens
    return Limits(
        action_tokens=None if limit is None else max(0, limit - usage.action_tokens),
        context_tokens=budget.context_tokens,
    )


def _first_reached(
    *meters: tuple[StopReason, float, float | None],
) -> StopReason | None:
    for reason, used, limit in meters:
        if limit is not None and used >= limit:
            return reason
    return None
