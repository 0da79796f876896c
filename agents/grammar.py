"""Grammars of a turn: which ids may come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reachgym.envs.errors import InputError


class Grammar(Protocol):
    """A state machine over token ids that accepts the turns an agent may take.

    In every state from which a turn goes on, at least one id is allowed.
    """

    def start(self) -> int:
        """The state before a turn's first id."""
        ...

    def allowed(self, state: int) -> npt.NDArray[np.bool_] | None:
        """True for every id that may come next, shape (V,); None where any may."""
        ...

    def advance(self, state: int, token: int) -> int:
        """The state after an id that is allowed in this one."""
        ...


class Automaton:
    """A grammar given by its table of transitions.

    A state without transitions is an end: the turn is complete, and any id may follow unread.
    """

    def __init__(self, transitions: Sequence[Mapping[int, int]], vocab_size: int) -> None:
        """Take a table.

        Args:
            transitions: For each state the next one by id; state 0 is the start.
            vocab_size: How many ids there are.
        """
        self._transitions = tuple(dict(row) for row in transitions)
        self._allowed_S_V = np.zeros((len(self._transitions), vocab_size), np.bool_)
        for state, row in enumerate(self._transitions):
            self._allowed_S_V[state, list(row)] = True
        self._allowed_S_V.flags.writeable = False

    def start(self) -> int:
        """State 0."""
        return 0

    def allowed(self, state: int) -> npt.NDArray[np.bool_] | None:
        """True for every id that the state has a transition for; None in an end."""
        return self._allowed_S_V[state] if self._transitions[state] else None

    def advance(self, state: int, token: int) -> int:
        """The next state; an end stays what it is.

        Raises:
            InputError: The state has transitions, and none for this id.
        """
        if not self._transitions[state]:
            return state
        if token not in self._transitions[state]:
            raise InputError(
                f"expected an id that the grammar allows here, got {token}; "
                "ask `allowed` before an id is chosen"
            )
        return self._transitions[state][token]
