"""One turn of a conversation: asked for until it comes or there is no use in asking."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import replace

from reachgym.agents.endpoint.completions import completion_of
from reachgym.agents.endpoint.exchange import Exchange
from reachgym.agents.endpoint.faults import Fault
from reachgym.agents.endpoint.limiter import Limiter
from reachgym.agents.endpoint.replies import Reply
from reachgym.agents.endpoint.requests import RequestWriter
from reachgym.agents.endpoint.settings import EndpointSettings, Retries
from reachgym.agents.protocol import Completion, FinishReason, Limits, Request
from reachgym.envs.errors import EndpointError, EndpointReplyError
from reachgym.envs.secret import Secret
from reachgym.envs.types import Message

_log = logging.getLogger(__name__)


class TurnTaker:
    """Takes turns at one endpoint; used from one event loop."""

    def __init__(self, settings: EndpointSettings, key: Secret | None) -> None:
        self._retries = settings.retries
        self._writer = RequestWriter(settings)
        self.limiter = Limiter(settings.concurrency)
        self._exchange = Exchange(settings, key, self._hold)
        self._warned = False

    async def take(self, request: Request) -> Completion | Exception:
        """The next turn; errors are returned and never raised.

        A conversation that the server says is too long for the model's context ends there, as one
        does that reaches its budget.
        """
        started_s = time.perf_counter()
        try:
            return await self._take(request, started_s)
        except Exception as error:
            # What httpx or aiohttp raise may hold the request with its key: only words go on.
            problem = self._exchange.redact(f"{type(error).__name__}: {error}")
        return EndpointError(f"the request could not be made: {problem}")

    async def close(self) -> None:
        """End every connection."""
        await self._exchange.close()

    async def _take(self, request: Request, started_s: float) -> Completion | Exception:
        most_tokens, bound = _room(request)
        if most_tokens is not None and most_tokens <= 0:
            return _nothing(bound, started_s)
        outcome = await self._attempts(self._writer.body(request, most_tokens))
        if isinstance(outcome, Fault) and outcome.too_long and most_tokens is not None:
            # Servers add what is asked for to what is there: perhaps only their sum is too long.
            outcome = await self._attempts(self._writer.body(request, None))
        if isinstance(outcome, Reply):
            return self._completion(outcome, request, started_s)
        if outcome.too_long:
            return _nothing(FinishReason.CONTEXT_TOKENS, started_s)
        return outcome.error

    def _completion(
        self, reply: Reply, request: Request, started_s: float
    ) -> Completion | Exception:
        completion = completion_of(
            reply,
            request.conversation,
            request.limits,
            redact=self._exchange.redact,
            seconds=time.perf_counter() - started_s,
        )
        if completion.sampled_ids:
            return completion
        if completion.counts is None and request.limits != Limits():
            return EndpointReplyError(
                "expected token ids or the counts 'prompt_tokens' and 'completion_tokens' of "
                "'usage' in every reply, since the attempt has a budget of tokens; got neither; "
                "let the server tell its usage, or leave tokens out of the budget"
            )
        if reply.prompt_ids is not None and not self._warned:
            self._warned = True
            _log.warning(
                "A turn's token ids do not go on from those of its history, or came without "
                "log-probabilities; such turns carry counts of tokens and no ids."
            )
        return completion

    async def _attempts(self, body: bytes) -> Reply | Fault:
        """Ask until there is a reply, or a fault that is the last one."""
        began_s: float | None = None
        attempt = 0
        while True:
            attempt += 1
            outcome, started_s = await self._attempt(body)
            if isinstance(outcome, Reply) or not outcome.retry:
                return outcome
            began_s = started_s if began_s is None else began_s
            spent_s = asyncio.get_running_loop().time() - began_s
            wait_s = backoff_s(self._retries, attempt) if outcome.wait_s is None else outcome.wait_s
            if attempt == self._retries.attempts or spent_s + wait_s > self._retries.total_s:
                return _given_up(outcome, attempt, spent_s)
            if outcome.wait_s is not None:
                self.limiter.hold(wait_s)
            await asyncio.sleep(wait_s)

    async def _attempt(self, body: bytes) -> tuple[Reply | Fault, float]:
        started_s = await self.limiter.acquire()
        overloaded: bool | None = None
        try:
            outcome = await self._exchange.ask(body)
            if isinstance(outcome, Reply):
                overloaded = False
            elif outcome.overloaded:
                overloaded = True
            return outcome, started_s
        finally:
            self.limiter.release(started_s, overloaded=overloaded)

    def _hold(self, seconds: float) -> None:
        self.limiter.hold(min(seconds, self._retries.total_s))


def backoff_s(retries: Retries, failures: int) -> float:
    """How long to wait after so many failures, drawn with full jitter."""
    return random.uniform(0, min(retries.longest_s, retries.first_s * 2.0 ** (failures - 1)))


def _room(request: Request) -> tuple[int | None, FinishReason]:
    """What the reply may take as far as is known before it is asked for, and what bounds it."""
    action, context = request.limits.action_tokens, request.limits.context_tokens
    if context is not None:
        context -= request.conversation.tally.context
    if context is None or (action is not None and action <= context):
        return action, FinishReason.ACTION_TOKENS
    return context, FinishReason.CONTEXT_TOKENS


def _nothing(finish: FinishReason, started_s: float) -> Completion:
    return Completion(Message("assistant"), finish, seconds=time.perf_counter() - started_s)


def _given_up(fault: Fault, attempts: int, spent_s: float) -> Fault:
    waiting = "" if fault.wait_s is None else f", asked to wait {fault.wait_s:.0f} s"
    text = f"{fault.error}; given up after {attempts} requests in {spent_s:.0f} s{waiting}"
    return replace(fault, error=type(fault.error)(text), retry=False)
