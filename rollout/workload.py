"""Which worker plays which attempts: handed out once, and again when a worker dies."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from reachgym.rollout.episode import Attempt
from reachgym.rollout.trajectory import AttemptKey

# A lot whose worker died is cut into so many lots that are played alone: an attempt that kills
# every worker it meets is found after few deaths, and takes few others with it.
_PIECES = 8
_MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class _Lot:
    attempts: list[Attempt]
    deaths: int


@dataclass(slots=True)
class _Hand:
    """What a worker holds; `deaths` is above 0 while it plays a lot that killed a worker."""

    attempts: dict[AttemptKey, Attempt] = field(default_factory=dict)
    deaths: int = 0


class Workload:
    """Attempts on their way through a number of workers, drawn from their stream as needed."""

    def __init__(self, attempts: Iterable[Attempt], *, workers: int, most_held: int) -> None:
        """Begin.

        Args:
            attempts: Their stream, read no further than needed.
            workers: How many share them.
            most_held: Attempts that each may hold: in flight, waiting, or finished and not settled.
        """
        self._source = iter(attempts)
        self._ahead: deque[Attempt] = deque()
        self._suspects: deque[_Lot] = deque()
        self._hands = [_Hand() for _ in range(workers)]
        self._most = most_held

    @property
    def finished(self) -> bool:
        """Whether every attempt of the stream is settled or given up."""
        self._look_ahead()
        return not (self._ahead or self._suspects or any(hand.attempts for hand in self._hands))

    @property
    def queue(self) -> int:
        """Attempts drawn from the stream that no worker has."""
        return len(self._ahead) + sum(len(lot.attempts) for lot in self._suspects)

    @property
    def held(self) -> list[int]:
        """How many attempts each worker has."""
        return [len(hand.attempts) for hand in self._hands]

    def holds(self, worker: int) -> bool:
        """Whether a worker has attempts to play."""
        return bool(self._hands[worker].attempts)

    def hand_out(self, worker: int) -> tuple[list[Attempt], bool]:
        """New attempts for a worker, and whether it may come for more before they are done."""
        hand = self._hands[worker]
        if not hand.attempts:
            hand.deaths = 0
            if self._suspects:
                lot = self._suspects.popleft()
                hand.deaths = lot.deaths
                hand.attempts = {attempt.key: attempt for attempt in lot.attempts}
                return lot.attempts, False
        if hand.deaths:
            return [], False
        self._look_ahead()
        room = max(0, self._share() - len(hand.attempts))
        given = [self._ahead.popleft() for _ in range(min(room, len(self._ahead)))]
        hand.attempts.update((attempt.key, attempt) for attempt in given)
        return given, bool(self._ahead)

    def settle(self, worker: int, keys: Iterable[AttemptKey]) -> list[Attempt]:
        """Say that a worker has returned these; gives them back."""
        attempts = self._hands[worker].attempts
        return [attempts.pop(key) for key in keys if key in attempts]

    def again(self, attempts: Iterable[Attempt]) -> None:
        """Have attempts that are settled made once more, before what was never made."""
        self._ahead.extendleft(attempts)

    def lose(self, worker: int) -> list[Attempt]:
        """Say that a worker died; returns the attempts that are given up, the rest waits again."""
        hand, self._hands[worker] = self._hands[worker], _Hand()
        attempts = list(hand.attempts.values())
        if hand.deaths >= _MAX_DEATHS:
            return attempts
        size = max(1, math.ceil(len(attempts) / _PIECES))
        self._suspects.extend(
            _Lot(attempts[start : start + size], hand.deaths + 1)
            for start in range(0, len(attempts), size)
        )
        return []

    def _share(self) -> int:
        """The most that a worker may hold, so that none idles while another has too much."""
        known = len(self._ahead) + sum(len(hand.attempts) for hand in self._hands)
        return min(self._most, math.ceil(known / len(self._hands)))

    def _look_ahead(self) -> None:
        room = self._most * len(self._hands) - len(self._ahead)
        self._ahead.extend(islice(self._source, max(0, room)))
