"""Any renderer with example episodes before every opening: few-shot prompting."""

from __future__ import annotations

from collections.abc import Sequence

from reachgym.agents.grammar import Grammar
from reachgym.agents.protocol import Conversation
from reachgym.agents.renderers.protocol import Renderer
from reachgym.envs.errors import InputError
from reachgym.envs.types import Message, ToolSpec


class FewShot:
    """Shows whole episodes, tool results included, and then the one that is to be played.

    What the examples' agents said is written as the renderer encodes it. Where the format packs
    episodes, each example is an episode of its own before the real one; else the examples are
    earlier turns of the real conversation, under its system messages and not under their own.
    The examples are a part of the opening prompt, so they count as context and never as actions.
    """

    def __init__(self, renderer: Renderer, examples: Sequence[Conversation]) -> None:
        """Take what to show.

        Args:
            renderer: Writes examples and episode.
            examples: Finished episodes, shown in this order.

        Raises:
            InputError: There is no example, one does not end with what an agent said, or the
                renderer cannot write it.
        """
        if not examples:
            raise InputError("expected at least one example to show, got none; drop FewShot")
        for example in examples:
            if not example.exchanges or example.exchanges[-1].replies:
                raise InputError(
                    "expected examples that end with the agent's answer, got one of "
                    f"{len(example.exchanges)} turns that does not; show finished episodes"
                )
        self.renderer = renderer
        self._openings = [example.opening for example in examples]
        self._played = [_played(renderer, example) for example in examples]
        self.pad_id = renderer.pad_id
        self.stop_ids = renderer.stop_ids
        self.vocab_size = renderer.vocab_size
        self.packs_episodes = renderer.packs_episodes

    def open(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """The examples, and then the opening prompt."""
        if self.packs_episodes:
            return self._packed(messages, tools)
        return self._continued(messages, tools)

    def reply(self, messages: Sequence[Message]) -> list[int]:
        """As the renderer writes it."""
        return self.renderer.reply(messages)

    def parse(self, ids: Sequence[int], turn: int) -> Message:
        """As the renderer reads it."""
        return self.renderer.parse(ids, turn)

    def encode(self, message: Message) -> list[int]:
        """As the renderer writes it."""
        return self.renderer.encode(message)

    def decode(self, ids: Sequence[int]) -> str:
        """As the renderer shows it."""
        return self.renderer.decode(ids)

    def grammar(self, tools: Sequence[ToolSpec]) -> Grammar:
        """The renderer's.

        Raises:
            ConfigError: The renderer has none.
        """
        return self.renderer.grammar(tools)

    def _packed(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        ids: list[int] = []
        for opening, played in zip(self._openings, self._played, strict=True):
            ids += self.renderer.open(opening, tools) + played
        return ids + self.renderer.open(messages, tools)

    def _continued(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        system = [message for message in messages if message.role == "system"]
        asked = [_asked(opening) for opening in (*self._openings, messages)]
        ids = self.renderer.open([*system, *asked[0]], tools)
        for played, following in zip(self._played, asked[1:], strict=True):
            ids += played + self.renderer.reply(following)
        return ids


def _played(renderer: Renderer, example: Conversation) -> list[int]:
    """An episode's ids behind its opening, up to its last stop token."""
    ids: list[int] = []
    for exchange in example.exchanges:
        ids += renderer.encode(exchange.completion.message)
        if exchange.replies:
            ids += renderer.reply(exchange.replies)
    return ids


def _asked(opening: Sequence[Message]) -> list[Message]:
    return [message for message in opening if message.role != "system"]
