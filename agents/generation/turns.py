"""A turn in tokens: what a request comes to before it is sampled, and its completion after."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reachgym.agents.generation.rows import Row, Sampled
from reachgym.agents.protocol import Completion, FinishReason, Request
from reachgym.agents.renderers.protocol import Renderer
from reachgym.envs.errors import InputError

NOTHING = Sampled((), (), stopped=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn made ready.

    Attributes:
        index: How many turns of the conversation came before.
        delta: Ids that the environment's side added since the last sampled one.
        row: What to continue; None where there is no room for a token.
        bound: What ends the turn if no stop id does.
    """

    index: int
    delta: tuple[int, ...]
    row: Row | None
    bound: FinishReason

    def completion(self, renderer: Renderer, sampled: Sampled, version: int) -> Completion:
        """What was sampled, as the agent's turn."""
        return Completion(
            message=renderer.parse(sampled.ids, self.index),
            finish=FinishReason.STOP if sampled.stopped else self.bound,
            prompt_ids=self.delta,
            sampled_ids=sampled.ids,
            logprobs=sampled.logprobs,
            policy_version=version,
            seconds=sampled.seconds,
        )


def prepare(request: Request, renderer: Renderer, max_tokens: int, constrained: bool) -> Turn:
    """Make a turn ready.

    Args:
        request: The conversation, what may be called, and what may be spent.
        renderer: Between messages and ids.
        max_tokens: The model's own limit of a history.
        constrained: Whether the turn must be what the renderer's grammar accepts.

    Raises:
        InputError: The conversation has no tokens.
    """
    conversation = request.conversation
    past: list[int] = []
    for exchange in conversation.exchanges:
        past += exchange.completion.prompt_ids
        past += exchange.completion.sampled_ids
    if conversation.exchanges:
        delta = renderer.reply(conversation.exchanges[-1].replies)
    else:
        delta = renderer.open(conversation.opening, request.tools)
    history = (*past, *delta)
    if not history:
        raise InputError("expected a history to continue, got no tokens; let the renderer open one")
    room, bound = _room(request, len(history), max_tokens)
    row = None
    if room > 0:
        grammar = renderer.grammar(request.tools) if constrained else None
        row = Row(history, room, request.seed, grammar, opens=not conversation.exchanges)
    return Turn(len(conversation.exchanges), tuple(delta), row, bound)


def _room(request: Request, tokens: int, max_tokens: int) -> tuple[int, FinishReason]:
    limits = request.limits
    context_tokens = math.inf if limits.context_tokens is None else limits.context_tokens
    room = int(min(context_tokens, max_tokens)) - tokens
    if limits.action_tokens is not None and limits.action_tokens <= room:
        return limits.action_tokens, FinishReason.ACTION_TOKENS
    return room, FinishReason.CONTEXT_TOKENS
