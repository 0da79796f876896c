"""Any agent as an engine: each step is one batch of every conversation that waits."""

from __future__ import annotations

from collections.abc import Sequence

from reachgym.agents.protocol import Agent, Completion, Request
from reachgym.envs.errors import EpisodeError
from reachgym.envs.types import Message


class BatchEngine:
    """An engine over `Agent.act`; see `Engine`."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._waiting: dict[int, Request] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def submit(self, ticket: int, request: Request) -> None:
        """Put a request into the next batch."""
        self._waiting[ticket] = request

    def step(self) -> list[tuple[int, Completion | Exception]]:
        """Take one turn of everything that waits."""
        batch, self._waiting = self._waiting, {}
        return list(zip(batch, complete(self._agent, list(batch.values())), strict=True))

    def forget(self, ticket: int) -> None:
        """Take a request out of the next batch."""
        self._waiting.pop(ticket, None)

    def close(self) -> None:
        """Forget every request."""
        self._waiting.clear()


def complete(agent: Agent, requests: Sequence[Request]) -> list[Completion | Exception]:
    """One turn of every request, in one batch if the agent can take it.

    When the batch fails its halves are tried, down to single requests, so that one conversation
    that an agent cannot take is one failure and not everyone's.
    """
    if not requests:
        return []
    try:
        completions = agent.act(
            [request.conversation for request in requests],
            [request.tools for request in requests],
            [request.limits for request in requests],
            [request.seed for request in requests],
        )
        if len(completions) != len(requests):
            raise EpisodeError(
                f"the agent gave {len(completions)} completions for {len(requests)} conversations; "
                "act() owes one for each"
            )
        return [_checked(completion) for completion in completions]
    except Exception as error:
        if len(requests) == 1:
            return [error]
    middle = len(requests) // 2
    return complete(agent, requests[:middle]) + complete(agent, requests[middle:])


def _checked(given: object) -> Completion | Exception:
    """What an agent gave for one turn, or what is wrong with it: agents are also users' own."""
    if not isinstance(given, Completion):
        return EpisodeError(f"act() owes a Completion for each conversation; got {given!r}")
    if not isinstance(given.message, Message):
        return EpisodeError(f"a Completion owes a Message; got {given.message!r}")
    return given
