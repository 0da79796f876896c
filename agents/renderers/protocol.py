"""The renderer protocol: messages to token ids and back, one implementation per chat format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reachgym.agents.grammar import Grammar
from reachgym.envs.types import Message, ToolSpec


class Renderer(Protocol):
    """Turns an episode into token ids by deltas, so that sampled ids are never re-tokenised.

    For a conversation `opening, a1, r1, a2, ...` the ids
    `open(opening) + encode(a1) + reply(r1) + encode(a2) + ...` are those of the whole
    conversation in the model's own format; a policy puts the ids that it sampled in the place of
    `encode(...)`.
    """

    @property
    def pad_id(self) -> int:
        """The id that fills unused positions."""
        ...

    @property
    def stop_ids(self) -> frozenset[int]:
        """The ids that end an assistant turn."""
        ...

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        ...

    @property
    def packs_episodes(self) -> bool:
        """Whether several episodes follow one another in one text, each opened anew.

        Otherwise what came before an episode can only be earlier turns of its conversation.
        """
        ...

    def open(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """The opening prompt, up to where the assistant starts to write."""
        ...

    def reply(self, messages: Sequence[Message]) -> list[int]:
        """The environment's messages after an assistant's stop token.

        The ids include the separator between turns and the next generation prompt.
        """
        ...

    def parse(self, ids: Sequence[int], turn: int) -> Message:
        """The assistant message that one turn's sampled ids spell.

        Never raises for what a model may write: a malformed call is a `ToolCall` with its
        `parse_error` set. Call ids are `call_{turn}_{index}`, unique within the episode.
        """
        ...

    def encode(self, message: Message) -> list[int]:
        """An assistant message as the model would write it, its stop token included."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens shown."""
        ...

    def grammar(self, tools: Sequence[ToolSpec]) -> Grammar:
        """What a turn must be where turns are constrained: a well-formed call, or an answer.

        Raises:
            ConfigError: This format has no grammar.
        """
        ...
