"""The in-process engine: turns of conversations over a decoder of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from reachgym.agents.generation.decoder import Decoder, DecoderStats
from reachgym.agents.generation.rows import Sampled
from reachgym.agents.generation.turns import NOTHING, Turn
from reachgym.agents.protocol import Completion, Request
from reachgym.agents.renderers.protocol import Renderer

Ended: TypeAlias = "tuple[int, Completion | Exception]"


class TransformersEngine:
    """Takes turns with a Hugging Face causal language model; see `Engine`.

    A step reads a piece of the histories that are new and samples one token for every turn under
    way; it never waits, and never calls `wake`. What it samples is what `TransformersPolicy.act`
    samples, up to the rounding of floats.
    """

    def __init__(
        self,
        decoder: Decoder,
        renderer: Renderer,
        prepare: Callable[[Request], Turn],
        version: Callable[[], int],
    ) -> None:
        """Take a decoder.

        Args:
            decoder: Continues the turns' rows.
            renderer: Between messages and ids.
            prepare: Makes a request ready.
            version: Of the weights in use.
        """
        self._decoder = decoder
        self._renderer = renderer
        self._prepare = prepare
        self._version = version
        self._turns: dict[int, Turn] = {}
        # Turns that need no model, or cannot be taken.
        self._ended: list[Ended] = []

    @property
    def idle(self) -> bool:
        """Whether there is no turn to take."""
        return not self._ended and self._decoder.idle

    @property
    def stats(self) -> DecoderStats:
        """What was done so far."""
        return self._decoder.stats

    def submit(self, ticket: int, request: Request) -> None:
        """Ask for a turn; what is wrong with it comes back from the next step."""
        try:
            self.begin(ticket, self._prepare(request))
        except Exception as error:
            self._ended.append((ticket, error))

    def begin(self, ticket: int, turn: Turn) -> None:
        """Take a turn that was made ready."""
        if turn.row is None:
            self._ended.append((ticket, self._complete(turn, NOTHING)))
        else:
            self._decoder.add(ticket, turn.row)
            self._turns[ticket] = turn

    def step(self) -> list[Ended]:
        """Sample one token for every turn under way; returns the turns that ended."""
        ended, self._ended = self._ended, []
        for ticket, sampled in self._decoder.step():
            turn = self._turns.pop(ticket)
            if isinstance(sampled, Sampled):
                ended.append((ticket, self._complete(turn, sampled)))
            else:
                ended.append((ticket, sampled))
        return ended

    def forget(self, ticket: int) -> None:
        """Drop a conversation's turn and its keys and values."""
        self._turns.pop(ticket, None)
        self._ended = [(other, result) for other, result in self._ended if other != ticket]
        self._decoder.drop(ticket)

    def restart(self) -> None:
        """Take every turn under way anew, as weights are about to change."""
        self._decoder.restart()

    def close(self) -> None:
        """Forget every conversation."""
        self._turns.clear()
        self._ended.clear()
        self._decoder.clear()

    def _complete(self, turn: Turn, sampled: Sampled) -> Completion | Exception:
        try:
            return turn.completion(self._renderer, sampled, self._version())
        except Exception as error:
            return error
