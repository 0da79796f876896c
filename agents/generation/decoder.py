"""The generation loop: histories are read in pieces, then every row takes a token a step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from reachgym.agents.generation.kept import Kept, KeptCaches
from reachgym.agents.generation.llama import is_plain_llama, read_token
from reachgym.agents.generation.reading import (
    LONG_PIECE_TOKENS,
    PIECE_TOKENS,
    Reader,
    Reading,
)
from reachgym.agents.generation.rows import Row, RunningRow, Sampled
from reachgym.agents.generation.shape import CacheShape
from reachgym.agents.generation.slots import SlotCache
from reachgym.agents.sampling import Decoding, draw, log_distribution

if TYPE_CHECKING:
    from transformers import PreTrainedModel


# Slots grow by so many tokens.
_BLOCK_TOKENS = 32


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
            cache_bytes: Bound of what the rows taken up may come to need, and of what is kept;
                one row alone is taken up whatever it needs.
            keep: Whether caches of rows that ended, and of prompts, are kept for later rows.
        """
        self._model = model
        self._shape = shape
        self._stop_ids = stop_ids
        self._decoding = decoding
        self._max_rows = max_rows
        self._cache_bytes = cache_bytes
        self._keep = keep
        self._plain_llama = is_plain_llama(model, shape)
        self._waiting: dict[int, RunningRow] = {}
        self._reader = Reader(model, shape, pad_id)
        # Each at its own place among the slots.
        self._running: list[RunningRow] = []
        self._slots = SlotCache(shape, 0, 0)
        self._kept = KeptCaches()
        self._steps = self._decoded = 0

    @property
    def idle(self) -> bool:
        """Whether there is no row."""
        return not (self._waiting or self._reader or self._running)

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

    def drop(self, key: int) -> None:
        """End a row without a result, and give up what is kept under its key."""
        self._waiting.pop(key, None)
        self._reader.drop(key)
        self._vacate([slot for slot, row in enumerate(self._running) if row.key == key])
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
        self._running = []
        self._slots = SlotCache(self._shape, 0, 0)
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
        return self._decode() if self._running else []

    def _taken(self) -> list[RunningRow]:
        return [*self._running, *self._reader.rows()]

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
            if count and (count + 1) * columns * self._shape.token_bytes > self._cache_bytes:
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

    def _limit_kept(self) -> None:
        """Leave what is kept the memory that the rows taken up will not need."""
        taken = self._taken()
        if not taken and self._slots.nbytes + self._kept.nbytes > self._cache_bytes:
            self._slots = SlotCache(self._shape, 0, 0)
        columns = max((running.row.columns for running in taken), default=0)
        needed = len(taken) * columns * self._shape.token_bytes
        self._kept.limit(self._cache_bytes - max(needed, self._slots.nbytes))

    def _read(self) -> None:
        """Read one piece, or all where nobody runs who would have to wait."""
        alone = not self._running
        self._install(self._reader.finished())
        while self._reader:
            self._reader.read(LONG_PIECE_TOKENS if alone else PIECE_TOKENS)
            self._install(self._reader.finished())
            if not alone:
                return

    def _install(self, finished: Sequence[Reading]) -> None:
        """Let rows run whose histories were read."""
        if not finished:
            return
        first = len(self._running)
        for reading in finished:
            self._running += reading.rows
        self._fit(adopted=first)
        for reading in finished:
            beyond = first + len(reading.rows)
            self._slots.install(range(first, beyond), reading.block_L_2_H_N_D)
            first = beyond
            if self._keep and any(running.row.opens for running in reading.rows):
                kept = Kept(reading.ids, reading.block_L_2_H_N_D.clone())
                self._kept.put(reading.ids, kept)

    def _fit(self, adopted: int) -> None:
        """Give every running row a slot with room for its newest token, and little more.

        Args:
            adopted: How many of the rows are in a slot already.
        """
        lengths = [running.length for running in self._running]
        # In blocks, so that slots seldom change; every step attends to all columns that there are.
        columns = (max(lengths) // _BLOCK_TOKENS + 1) * _BLOCK_TOKENS
        wide = columns > self._slots.columns or 4 * columns < 3 * self._slots.columns
        if not wide and len(lengths) <= self._slots.rows:
            return
        rows = max(len(lengths), min(2 * self._slots.rows, self._max_rows))
        fitting = SlotCache(self._shape, rows, columns)
        fitting.adopt(self._slots, lengths[:adopted])
        self._slots = fitting

    def _decode(self) -> list[tuple[int, Sampled | Exception]]:
        """Read every row's newest token and sample the next."""
        rows = self._running
        self._fit(adopted=len(rows))
        device = self._shape.device
        # One copy to the device and one back: each costs a wait there.
        given_3_B = torch.tensor(
            [
                [running.newest for running in rows],
                [running.length for running in rows],
                [running.uniforms.random() for running in rows],
            ],
            dtype=torch.float64,
        ).to(device)
        ids_B, starts_B = given_3_B[:2].long()
        logits_B_V = self._logits(ids_B, starts_B)
        logprobs_B_V = log_distribution(self._constrained(logits_B_V), self._decoding)
        ids_B = draw(logprobs_B_V, given_3_B[2])
        drawn_B = logprobs_B_V.gather(1, ids_B[:, None])[:, 0]
        ids, logprobs = torch.stack((ids_B.double(), drawn_B.double())).tolist()
        self._steps += 1
        self._decoded += len(rows)
        return self._take([int(token) for token in ids], logprobs)

    def _logits(self, ids_B: torch.Tensor, starts_B: torch.Tensor) -> torch.Tensor:
        if self._plain_llama:
            return read_token(self._model, self._slots, ids_B, starts_B)
        return self._slots.forward(self._model, ids_B[:, None], starts_B)

    def _constrained(self, logits_B_V: torch.Tensor) -> torch.Tensor:
        """The logits with -inf where an id is not allowed; the rest is tempered and truncated."""
        if all(running.allowed_V is None for running in self._running):
            return logits_B_V
        forbidden_B_V = np.zeros(logits_B_V.shape, np.bool_)
        for place, running in enumerate(self._running):
            if (allowed_V := running.allowed_V) is not None:
                # Ids that a grammar does not know are not allowed.
                forbidden_B_V[place] = True
                forbidden_B_V[place, : len(allowed_V)] = ~allowed_V
        forbidden = torch.from_numpy(forbidden_B_V).to(logits_B_V.device)
        return logits_B_V.masked_fill(forbidden, -torch.inf)

    def _take(
        self, ids: Sequence[int], logprobs: Sequence[float]
    ) -> list[tuple[int, Sampled | Exception]]:
        """Give every row its token; returns those that ended."""
        ended: list[tuple[int, Sampled | Exception]] = []
        free: list[int] = []
        for slot, (running, token, logprob) in enumerate(
            zip(self._running, ids, logprobs, strict=True)
        ):
            try:
                running.take(token, logprob)
            except Exception as error:
                ended.append((running.key, error))
                free.append(slot)
                continue
            stopped = token in self._stop_ids
            if stopped or len(running.ids) == running.row.max_new_tokens:
                ended.append((running.key, running.sampled(stopped)))
                free.append(slot)
        self._end(free)
        return ended

    def _end(self, slots: Sequence[int]) -> None:
        """Free slots, and keep what is in them."""
        ended = [(self._running[slot], slot) for slot in slots] if self._keep else []
        kept = [
            (running.key, Kept(running.read, self._slots.block(slot, running.length).clone()))
            for running, slot in ended
        ]
        self._vacate(slots)
        self._limit_kept()
        for key, cache in kept:
            self._kept.put(key, cache)

    def _vacate(self, slots: Sequence[int]) -> None:
        """Free slots; the last rows move into the gaps."""
        for slot in sorted(slots, reverse=True):
            last = self._running.pop()
            if slot < len(self._running):
                self._running[slot] = last
                moved = self._slots.block(len(self._running), last.length)
                self._slots.install([slot], moved)
