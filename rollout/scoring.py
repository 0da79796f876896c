"""Scoring on many workers: sequences in chunks, each answered once, whoever dies on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import ray

from reachgym.agents.protocol import FloatArray, TokenSequence
from reachgym.envs.errors import InfrastructureError
from reachgym.rollout.calls import KILLED, Call

# Sequences a worker is given at once.
_CHUNK = 512
_MAX_DEATHS = 3


def score_in_chunks(
    sequences: Sequence[TokenSequence],
    workers: int,
    call: Callable[[int, Sequence[TokenSequence]], Call],
    fetch: Callable[[Call], list[FloatArray]],
    replace: Callable[[int, BaseException], None],
) -> list[FloatArray]:
    """Scores of all sequences, in order.

    Args:
        sequences: What to score.
        workers: How many workers there are.
        call: Hands a chunk to a worker by its number; returns Ray's reference to the scores.
        fetch: Waits for the scores of a reference; raises what the worker raised.
        replace: Starts another worker in place of one that died.

    Raises:
        InfrastructureError: A chunk killed every worker that it was given to.
    """
    chunks = [sequences[start : start + _CHUNK] for start in range(0, len(sequences), _CHUNK)]
    scores: list[list[FloatArray]] = [[] for _ in chunks]
    waiting, deaths = deque(range(len(chunks))), [0] * len(chunks)
    idle = deque(range(workers))
    calls: dict[Call, tuple[int, int]] = {}
    while waiting or calls:
        while waiting and idle:
            number, index = idle.popleft(), waiting.popleft()
            calls[call(number, chunks[index])] = (number, index)
        (answered, *_), _ = ray.wait(list(calls), num_returns=1)
        number, index = calls.pop(answered)
        idle.append(number)
        try:
            scores[index] = fetch(answered)
        except KILLED as error:
            deaths[index] += 1
            if deaths[index] >= _MAX_DEATHS:
                raise InfrastructureError(
                    f"{_MAX_DEATHS} workers died while scoring the same {len(chunks[index])} "
                    f"sequences; look for memory that runs out. The last: {error}"
                ) from error
            replace(number, error)
            waiting.append(index)
    return [score for chunk in scores for score in chunk]
