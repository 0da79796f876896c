"""One finished attempt, kept as deltas: what was sampled, what came back, what it was worth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reachgym.agents.protocol import Completion, TokenSequence
from reachgym.envs.types import Message, StopReason, ToolResult, Verdict


@dataclass(frozen=True, slots=True)
class Turn:
    """A completion, the results of its calls, the messages that came back, and its reward."""

    completion: Completion
    results: tuple[ToolResult, ...] = ()
    replies: tuple[Message, ...] = ()
    reward: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt could not be finished; the attempt is unscored."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt consumed."""

    turns: int = 0
    action_tokens: int = 0
    context_tokens: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    parse_errors: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Where an attempt's seconds went."""

    model_s: float = 0.0
    tool_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """What makes an attempt the same attempt: the key of the store.

    Attributes:
        task_hash: `Task.hash`.
        seed: The attempt's own seed.
        policy: Which policy acted, e.g. `"base"` or `"rl_tools/seed-1"`.
        version: Which of the policy's weights the attempt was asked of. The weights that acted may
            be others, and change from turn to turn: every completion tells its own.
    """

    task_hash: str
    seed: int
    policy: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Everything there is to know of one attempt.

    Attributes:
        key: Identity of the attempt.
        task_id: The task's id within its family.
        family: The task's family.
        split: The task's split.
        env: The environment's spec as JSON text (Gymnasium id and keyword arguments).
        policy_version: Version of the weights on the first turn.
        opening: The messages the environment opened with.
        turns: What happened, in order.
        verdict: What it was worth; unscored when `failure` is set.
        stop_reason: Why it ended.
        failure: What broke, if something did.
        sandbox: The isolation at which the attempt's code ran, None if none did.
    """

    key: AttemptKey
    task_id: str
    family: str
    split: str
    env: str
    policy_version: int
    opening: tuple[Message, ...]
    turns: tuple[Turn, ...]
    verdict: Verdict
    stop_reason: StopReason
    failure: Failure | None = None
    sandbox: str | None = None
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)

    def tokens(self) -> TokenSequence:
        """The episode as one token sequence; the mask is true on sampled ids."""
        ids: list[int] = []
        mask: list[bool] = []
        for turn in self.turns:
            ids += turn.completion.prompt_ids
            ids += turn.completion.sampled_ids
            mask += [False] * len(turn.completion.prompt_ids)
            mask += [True] * len(turn.completion.sampled_ids)
        return TokenSequence(np.array(ids, np.int32), np.array(mask, np.bool_))

    def logprobs(self) -> tuple[float, ...]:
        """Log-probabilities of the sampled ids, in order."""
        return tuple(lp for turn in self.turns for lp in turn.completion.logprobs)
