"""The generation loop: histories are read in pieces, then every row takes a token a step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from reachgym.agents.generation.batch import Batch, whole_blocks
from reachgym.agents.generation.kept import Kept, KeptCaches
from reachgym.agents.generation.reading import (
    LONG_PIECE_TOKENS,
    PIECE_TOKENS,
    Reader,
    Reading,
)
from reachgym.agents.generation.rows import Row, RunningRow, Sampled
from reachgym.agents.generation.shape import CacheShape
from reachgym.agents.sampling import Decoding

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class DecoderStats:
    """What a decoder did so far, and what it holds.

    Attributes:
        prefilled_tokens: Tokens of histories that were read.
        reused_tokens: Tokens of histories whose keys and values were there already.
        decode_steps: Forward passes in which every running row took a token.
        decoded_tokens: Tokens sampled in them.
        evictions: Kept caches that were given up for want of memory.
        waiting: Rows that were not taken up yet.
        running: Rows that were.
        kept_bytes: Of caches that are kept for later.
    """

    prefilled_tokens: int = 0
    reused_tokens: int = 0
    decode_steps: int = 0
    decoded_tokens: int = 0
    evictions: int = 0
    waiting: int = 0
    running: int = 0
    kept_bytes: int = 0


class Decoder:
    """Continues rows until a stop id or their limit; rows come and go between steps.

    A row's draws depend on its own history, seed and weights only; the rows beside it change its
    logits by float rounding and nothing else.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        shape: CacheShape,
        *,
        stop_ids: frozenset[int],
        pad_id: int,
        decoding: Decoding,
        max_rows: int,
        cache_bytes: int,
        keep: bool,
    ) -> None:
        """Take a model.

        Args:
            model: A causal language model; put into evaluation mode by every step.
            shape: What it keeps of each token.
            stop_ids: Ids that end a row; the stop id is kept.
            pad_id: Fills the end of shorter histories; never attended to.
            decoding: The distribution that is sampled.
            max_rows: Most rows in one forward pass.
            cache_bytes: Bound of the keys and values that the rows taken up may come to need and
                of those that are kept; one row alone is taken up whatever it needs. Growing and
                reading take a copy beside it for as long as they last.
            keep: Whether caches of rows that ended, and of prompts, are kept for later rows.
        """
        self._model = model
        self._shape = shape
        self._max_rows = max_rows
        self._cache_bytes = cache_bytes
        self._keep = keep
        self._waiting: dict[int, RunningRow] = {}
        self._reader = Reader(model, shape, pad_id)
        self._batch = Batch(
            model, shape, stop_ids=stop_ids, decoding=decoding, max_bytes=cache_bytes
        )
        self._kept = KeptCaches()
        self._steps = self._decoded = 0

    @property
    def idle(self) -> bool:
        """Whether there is no row."""
        return not (self._waiting or self._reader or self._batch.rows)

    @property
    def stats(self) -> DecoderStats:
        """What was done so far."""
        return DecoderStats(
            prefilled_tokens=self._reader.read_tokens,
            reused_tokens=self._reader.reused_tokens,
            decode_steps=self._steps,
            decoded_tokens=self._decoded,
            evictions=self._kept.evictions,
            waiting=len(self._waiting),
            running=len(self._taken()),
            kept_bytes=self._kept.nbytes,
        )

    def add(self, key: int, row: Row) -> None:
        """Let a row wait for its turn; what was kept under its key may serve it."""
        self._waiting[key] = RunningRow(key, row)

    @torch.inference_mode()
    def drop(self, key: int) -> None:
        """End a row without a result, and give up what is kept under its key."""
        self._waiting.pop(key, None)
        self._reader.drop(key)
        self._batch.leave([slot for slot, row in enumerate(self._batch.rows) if row.key == key])
        self._kept.drop(key)

    def restart(self) -> None:
        """Give up every cache and begin every row anew, as weights are about to change."""
        taken = self._taken()
        waiting = self._waiting
        self.clear()
        for running in taken:
            self.add(running.key, running.row)
        self._waiting |= waiting

    def clear(self) -> None:
        """Forget every row and give up every cache."""
        self._waiting = {}
        self._reader.clear()
        self._batch.clear()
        self._kept.clear()

    @torch.inference_mode()
    def step(self) -> list[tuple[int, Sampled | Exception]]:
        """Take up rows, read a piece of what is new, and sample one token for all that run.

        Returns:
            The rows that ended, by key; an exception ends its own row alone.
        """
        if self._model.training:
            self._model.eval()
        self._take_up()
        self._read()
        return self._sample() if self._batch.rows else []

    def _taken(self) -> list[RunningRow]:
        return [*self._batch.rows, *self._reader.rows()]

    def _take_up(self) -> None:
        """Begin rows in their order while there is room for another."""
        if not self._waiting:
            return
        taken = self._taken()
        columns = max((running.row.columns for running in taken), default=0)
        count = len(taken)
        while self._waiting and count < self._max_rows:
            running = next(iter(self._waiting.values()))
            columns = max(columns, running.row.columns)
            if count and self._needed(count + 1, columns) > self._cache_bytes:
                break
            count += 1
            del self._waiting[running.key]
            running.started_s = time.perf_counter()
            self._reader.begin(running, self._kept_of(running))
        self._limit_kept()

    def _kept_of(self, running: RunningRow) -> Kept | None:
        """What is kept of a row's history; what is kept of its conversation is used up by it."""
        ids = running.row.history[:-1]
        own = self._kept.get(running.key)
        self._kept.drop(running.key)
        return own if own is not None and own.begins(ids) else self._kept.get(ids)

    def _limit_kept(self, coming_bytes: int = 0) -> None:
        """Leave what is kept, or about to be, the memory that the rows taken up will not need."""
        taken = self._taken()
        held_bytes = self._kept.nbytes + coming_bytes
        if not taken and self._batch.nbytes + held_bytes > self._cache_bytes:
            self._batch.clear()
        needed = self._needed(len(taken), max((row.row.columns for row in taken), default=0))
        self._kept.limit(self._cache_bytes - max(needed, self._batch.nbytes))

    def _needed(self, rows: int, columns: int) -> int:
        """Bytes of so many slots, the longest with so many columns."""
        return rows * whole_blocks(columns) * self._shape.token_bytes

    def _read(self) -> None:
        """Read one piece, or all where nobody runs who would have to wait."""
        alone = not self._batch.rows
        self._enter(self._reader.finished())
        while self._reader:
            self._reader.read(LONG_PIECE_TOKENS if alone else PIECE_TOKENS)
            self._enter(self._reader.finished())
            if not alone:
                return

    def _enter(self, finished: Sequence[Reading]) -> None:
        if finished:
            self._batch.enter(finished)
        for reading in finished:
            if self._keep and any(running.row.opens for running in reading.rows):
                self._kept.put(reading.ids, Kept(reading.ids, reading.block_L_2_H_N_D.clone()))

    def _sample(self) -> list[tuple[int, Sampled | Exception]]:
        """One token for all; rows that end leave, and what was read for them is kept."""
        rows = self._batch.rows
        self._steps += 1
        self._decoded += len(rows)
        ended = self._batch.sample()
        if not ended:
            return []
        results = [(rows[slot].key, result) for slot, result in ended]
        slots = [slot for slot, _ in ended]
        kept: dict[int, Kept] = {}
        if self._keep:
            kept = {rows[s].key: Kept(rows[s].cached, self._batch.block(s)) for s in slots}
        self._batch.leave(slots)
        self._limit_kept(sum(cache.block_L_2_H_N_D.nbytes for cache in kept.values()))
        for key, cache in kept.items():
            self._kept.put(key, cache)
        return results
