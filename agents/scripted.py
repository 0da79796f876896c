"""Agents that follow a script: the families' oracles, their guessers, and anything in a test."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from reachgym.agents.protocol import Completion, Conversation, Limits
from reachgym.envs.registration import oracle_of
from reachgym.envs.suites import family_of
from reachgym.envs.types import Message, ToolSpec

Script: TypeAlias = Callable[[tuple[Message, ...], int], Message]


class ScriptedAgent:
    """An agent whose next message is a function of the conversation and the turn's seed."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion per conversation; it has no tokens, so token limits do not bind it."""
        del tools, limits
        started_s = time.perf_counter()
        messages = [
            self._script(conversation.messages, seed)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        seconds = time.perf_counter() - started_s
        return [Completion(message, seconds=seconds) for message in messages]


def oracle_agent(env_id: str) -> ScriptedAgent:
    """The agent that solves every task of an environment from its prompt and its tools alone.

    Raises:
        InputError: There is no such environment, or it has no oracle.
    """
    oracle = oracle_of(env_id) or family_of(env_id).oracle
    return ScriptedAgent(lambda messages, seed: oracle(messages))


def random_agent(env_id: str) -> ScriptedAgent:
    """The agent that answers at once with a guess from the form of the prompt.

    Raises:
        ConfigError: No family has this id.
    """
    family = family_of(env_id)

    def script(messages: tuple[Message, ...], seed: int) -> Message:
        prompt = next(message.content for message in messages if message.role == "user")
        return Message("assistant", family.guess(prompt, random.Random(seed)))

    return ScriptedAgent(script)
