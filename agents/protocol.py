"""What acts in an environment: agents, policies, and the completions they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from reachgym.envs.types import Message, ToolSpec

IntArray: TypeAlias = npt.NDArray[np.int32]
FloatArray: TypeAlias = npt.NDArray[np.float32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class FinishReason(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    ACTION_TOKENS = "action_tokens"
    CONTEXT_TOKENS = "context_tokens"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the next completion may still spend; None means unlimited.

    Attributes:
        action_tokens: How many ids may be sampled.
        context_tokens: The length that the whole history may reach.
    """

    action_tokens: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One turn of an agent.

    Attributes:
        message: The parsed assistant message.
        finish: Why sampling ended; only `STOP` is a message the agent finished.
        prompt_ids: Token ids that the environment's side added since the last sampled token
            (the whole opening prompt on the first turn); empty for agents without tokens.
        sampled_ids: Token ids the policy sampled, stop token included.
        logprobs: Natural log-probability of each sampled id under the sampling distribution.
        policy_version: The version of the weights that sampled it.
        seconds: Wall time of the batch that produced it.
    """

    message: Message
    finish: FinishReason = FinishReason.STOP
    prompt_ids: tuple[int, ...] = ()
    sampled_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    policy_version: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One completion and the messages with which the environment answered it."""

    completion: Completion
    replies: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything the agent has seen and done in an episode so far."""

    opening: tuple[Message, ...]
    exchanges: tuple[Exchange, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation as a flat sequence of messages."""
        flat = list(self.opening)
        for exchange in self.exchanges:
            flat.append(exchange.completion.message)
            flat.extend(exchange.replies)
        return tuple(flat)


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """A whole episode in tokens.

    Attributes:
        ids: Token ids, shape (T,).
        mask: True where the policy sampled the id, shape (T,); stop tokens included.
    """

    ids: IntArray
    mask: BoolArray


class Agent(Protocol):
    """Anything that can take the next turn of many conversations at once."""

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion per conversation; equal seeds and histories give equal completions."""
        ...


class Policy(Agent, Protocol):
    """An agent that knows its tokens and their probabilities."""

    @property
    def version(self) -> int:
        """The version of the weights in use."""
        ...

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Per sequence, natural log-probabilities of the masked ids, shape (mask.sum(),).

        The probabilities are those of the sampling distribution, computed in float32.
        """
        ...
