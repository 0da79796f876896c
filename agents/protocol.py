"""What acts in an environment: agents, policies, and the completions they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import EpisodeError
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
        action_tokens: How many tokens may be sampled.
        context_tokens: The length that the whole history may reach.
    """

    action_tokens: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """How many tokens a turn took, by the word of a server that gives no ids.

    Attributes:
        request_tokens: In the whole request, earlier turns included.
        sampled_tokens: Sampled in this turn.
    """

    request_tokens: int
    sampled_tokens: int

    def __post_init__(self) -> None:
        """Refuse what counts nothing.

        Raises:
            EpisodeError: A count is below 0.
        """
        if min(self.request_tokens, self.sampled_tokens) < 0:
            raise EpisodeError(
                f"expected counts of tokens from 0 on, got {self.request_tokens} and "
                f"{self.sampled_tokens}; leave the counts out where they are not known"
            )


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
        seconds: Wall time from when the turn was taken up until it was done.
        counts: Stands in for the ids where there are none; None where ids are, and where nothing
            is known.
    """

    message: Message
    finish: FinishReason = FinishReason.STOP
    prompt_ids: tuple[int, ...] = ()
    sampled_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    policy_version: int = 0
    seconds: float = 0.0
    counts: TokenCounts | None = None

    def __post_init__(self) -> None:
        """Refuse counts beside ids, which could contradict them.

        Raises:
            EpisodeError: There are both.
        """
        if self.counts is not None and (self.prompt_ids or self.sampled_ids):
            raise EpisodeError(
                "expected token ids or counts of tokens, got both; leave the counts out, the ids "
                "tell them"
            )

    @property
    def action(self) -> Message:
        """The message as an environment is given it: without reasoning."""
        return replace(self.message, reasoning="") if self.message.reasoning else self.message


@dataclass(frozen=True, slots=True)
class TokenTally:
    """How many tokens the turns of a conversation took; a turn of which nothing is known adds none.

    Attributes:
        sampled: Sampled in all turns.
        context: How long the conversation is, up to the last token that was sampled.
        ids: How many of its ids are known. A server's count is of a whole request, while ids are
            deltas: those that come after turns without ids have these turns in them.
    """

    sampled: int = 0
    context: int = 0
    ids: int = 0

    def after(self, completion: Completion) -> TokenTally:
        """The tally when another turn was taken."""
        counts = completion.counts
        if counts is not None:
            context = counts.request_tokens + counts.sampled_tokens
            return TokenTally(self.sampled + counts.sampled_tokens, context, self.ids)
        sampled = len(completion.sampled_ids)
        added = len(completion.prompt_ids) + sampled
        if not added:
            return self
        ids = self.ids + added
        return TokenTally(self.sampled + sampled, ids, ids)


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

    @property
    def tally(self) -> TokenTally:
        """How many tokens its turns took."""
        tally = TokenTally()
        for exchange in self.exchanges:
            tally = tally.after(exchange.completion)
        return tally


@dataclass(frozen=True, slots=True)
class Request:
    """What an agent needs to take the next turn of one conversation.

    Attributes:
        conversation: What was said and done so far.
        tools: What may be called.
        limits: What the turn may still spend.
        seed: Everything random in the turn follows from it.
    """

    conversation: Conversation
    tools: Sequence[ToolSpec]
    limits: Limits
    seed: int


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


class Engine(Protocol):
    """Takes turns of many conversations that come and go one by one.

    It is called from one thread. A ticket stands for one conversation, the same at every turn of
    it, so that what was computed for one turn may serve the next.
    """

    @property
    def idle(self) -> bool:
        """Whether `step` can do nothing until something is submitted or `wake` was called."""
        ...

    def submit(self, ticket: int, request: Request) -> None:
        """Ask for the next turn of a conversation; one turn of it at a time."""
        ...

    def step(self) -> list[tuple[int, Completion | Exception]]:
        """Go one step further without waiting for anything but a computation of its own.

        Returns:
            The turns that are done now, by ticket; an exception fails that conversation alone.
        """
        ...

    def forget(self, ticket: int) -> None:
        """Drop what is kept for a conversation; a turn of it not returned yet never will be."""
        ...

    def close(self) -> None:
        """Forget every conversation and end what the engine runs; calling it again does nothing."""
        ...


@runtime_checkable
class Continuous(Protocol):
    """An agent that can start on a turn while it is busy with others."""

    def engine(self, wake: Callable[[], None]) -> Engine:
        """A new engine.

        Args:
            wake: Called from any thread when an engine that was idle no longer is; engines that
                compute in `step` alone never call it.
        """
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
