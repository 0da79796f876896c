"""A row of generation: what is asked, where it stands, and what it sampled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reachgym.agents.grammar import Grammar
from reachgym.agents.sampling import stream
from reachgym.envs.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """A history to continue.

    Attributes:
        history: Token ids so far, at least one.
        max_new_tokens: Most tokens to sample, at least one.
        seed: Keys the row's uniforms.
        grammar: What the row may write; None leaves it free.
        opens: Whether the history is a prompt that other rows may share.
    """

    history: tuple[int, ...]
    max_new_tokens: int
    seed: int
    grammar: Grammar | None = None
    opens: bool = False

    def __post_init__(self) -> None:
        """Refuse a row that cannot be continued.

        Raises:
            InputError: The history is empty, or nothing may be sampled.
        """
        if not self.history or self.max_new_tokens < 1:
            raise InputError(
                f"expected a history and room for a token, got {len(self.history)} ids and "
                f"room for {self.max_new_tokens}; let the renderer open with a token"
            )

    @property
    def columns(self) -> int:
        """Places in a cache that the row may come to fill; its last token is not read."""
        return len(self.history) + self.max_new_tokens - 1


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a row sampled.

    Attributes:
        ids: Sampled ids.
        logprobs: Their natural log-probabilities.
        stopped: Whether a stop id came last.
        seconds: Wall time since the row was taken up.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stopped: bool
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class RunningRow:
    """A row on its way.

    Attributes:
        key: Who asked for it.
        row: What was asked.
        started_s: When it was taken up, by the clock that counts seconds.
        uniforms: Draws that depend on the seed and the history's length alone.
        state: Where it stands in its grammar.
        allowed_V: What may come next; None where any id may.
        length: Tokens in the cache once the history was read: all but the newest.
        newest: The token that is read next.
        left: Tokens that may still be sampled.
        ids: Sampled so far.
        logprobs: Of these ids.
    """

    key: int
    row: Row
    started_s: float = 0.0
    uniforms: np.random.Generator = field(init=False)
    state: int = 0
    allowed_V: npt.NDArray[np.bool_] | None = None
    length: int = field(init=False)
    newest: int = field(init=False)
    left: int = field(init=False)
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Stand at the end of the history, and at the start of the grammar and the uniforms."""
        self.uniforms = stream(self.row.seed, len(self.row.history))
        if self.row.grammar is not None:
            self.state = self.row.grammar.start()
            self.allowed_V = self.row.grammar.allowed(self.state)
        self.length = len(self.row.history) - 1
        self.newest = self.row.history[-1]
        self.left = self.row.max_new_tokens

    @property
    def cached(self) -> tuple[int, ...]:
        """The tokens that are in the cache."""
        return (*self.row.history, *self.ids)[: self.length]

    def take(self, token: int, logprob: float) -> None:
        """Go on by one sampled token."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        self.length += 1
        self.newest = token
        self.left -= 1
        if self.row.grammar is not None:
            self.state = self.row.grammar.advance(self.state, token)
            self.allowed_V = self.row.grammar.allowed(self.state)

    def sampled(self, *, stopped: bool) -> Sampled:
        """What was sampled, now that the row has ended."""
        seconds = time.perf_counter() - self.started_s
        return Sampled(tuple(self.ids), tuple(self.logprobs), stopped, seconds)
