"""Grammars of a turn: which ids may come next, and where every row of a batch stands."""

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


class Walk:
    """Where each row of a batch stands in its grammar."""

    def __init__(self, grammars: Sequence[Grammar | None], vocab_size: int) -> None:
        """Stand at every start.

        Args:
            grammars: One a row; None leaves a row free.
            vocab_size: Ids of the model; those that a grammar does not know are not allowed.
        """
        self._grammars = tuple(grammars)
        self._states = [0 if grammar is None else grammar.start() for grammar in grammars]
        self._vocab_size = vocab_size

    def allowed(self, rows: Sequence[int]) -> npt.NDArray[np.bool_]:
        """True for every id that may come next in these rows, shape (B, V)."""
        allowed_B_V = np.zeros((len(rows), self._vocab_size), np.bool_)
        for place, row in enumerate(rows):
            grammar = self._grammars[row]
            known_V = None if grammar is None else grammar.allowed(self._states[row])
            if known_V is None:
                allowed_B_V[place] = True
            else:
                allowed_B_V[place, : len(known_V)] = known_V
        return allowed_B_V

    def advance(self, rows: Sequence[int], ids: Sequence[int]) -> None:
        """Take one allowed id in each of these rows."""
        for row, token in zip(rows, ids, strict=True):
            grammar = self._grammars[row]
            if grammar is not None:
                self._states[row] = grammar.advance(self._states[row], token)
