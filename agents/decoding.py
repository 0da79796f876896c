"""Batched generation: every history is read once, then all rows take a token per forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from reachgym.agents.grammar import Grammar, Walk
from reachgym.agents.kv_cache import RoomyCache, join
from reachgym.agents.sampling import Decoding, draw, log_distribution, uniforms

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Below this many rows a pass costs the same with fewer of them.
_WORTH_COMPACTING = 16

# Prompt tokens of one forward pass, padding included.
_PREFILL_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """One row to continue.

    Attributes:
        history: Token ids so far, at least one.
        max_new_tokens: Most tokens to sample, at least one.
        seed: Keys the row's uniforms.
        grammar: What the row may write; None leaves it free.
    """

    history: tuple[int, ...]
    max_new_tokens: int
    seed: int
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What one row sampled: ids with their log-probabilities, and whether a stop id came last."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stopped: bool


@dataclass(slots=True)
class _Batch:
    """The rows still in the forward pass; all but the cache and the columns have shape (B,).

    Attributes:
        cache: Keys and values of right-aligned histories and of the tokens after them.
        rows: Each row's place among the requests.
        pads: Columns of left padding.
        positions: Position of the next token.
        done: Whether the row has ended and only waits to be dropped.
        columns: Columns in the cache.
    """

    cache: RoomyCache
    rows: torch.Tensor
    pads: torch.Tensor
    positions: torch.Tensor
    done: torch.Tensor
    columns: int


@dataclass(frozen=True, slots=True)
class _Output:
    """What every request sampled, valid up to its length.

    Attributes:
        ids: Sampled ids, shape (N, T).
        logprobs: Their log-probabilities, shape (N, T).
        lengths: Tokens sampled, shape (N,).
        stopped: Whether a stop id ended the row, shape (N,).
    """

    ids: torch.Tensor
    logprobs: torch.Tensor
    lengths: torch.Tensor
    stopped: torch.Tensor

    def write(
        self, rows_B: torch.Tensor, step: int, ids_B: torch.Tensor, logprobs_B_V: torch.Tensor
    ) -> None:
        """Keep one step's draws; what a row draws after its end is written and never read."""
        self.ids[rows_B, step] = ids_B
        self.logprobs[rows_B, step] = logprobs_B_V.gather(1, ids_B[:, None])[:, 0]


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    requests: Sequence[Request],
    *,
    stop_ids: frozenset[int],
    pad_id: int,
    decoding: Decoding,
) -> list[Sampled]:
    """Continue every request until a stop id or its token limit.

    A row's draws depend on its own history, seed and weights only; the batch that it is in
    changes its logits by float rounding and nothing else.

    Args:
        model: A causal language model in evaluation mode.
        requests: The rows, all decoded as one batch; there may be none.
        stop_ids: Ids that end a row; the stop id is kept.
        pad_id: Fills the left of shorter histories; never attended to.
        decoding: The distribution that is sampled.
    """
    if not requests:
        return []
    device = model.device
    limits_N = torch.tensor([request.max_new_tokens for request in requests], device=device)
    uniforms_N_T = torch.from_numpy(_uniforms(requests)).to(device)
    output = _empty_output(len(requests), int(limits_N.max()), device)
    is_stop_V = _stop_table(stop_ids, model.config.vocab_size, device)
    walk = _walk(requests, model.config.vocab_size)
    batch, logits_B_V = _prefill(model, requests, output.ids.shape[1], pad_id)
    for step in range(output.ids.shape[1]):
        if walk is not None:
            logits_B_V = _constrained(logits_B_V, walk.allowed(batch.rows.tolist()))
        logprobs_B_V = log_distribution(logits_B_V, decoding)
        ids_B = draw(logprobs_B_V, uniforms_N_T[batch.rows, step])
        if walk is not None:
            walk.advance(batch.rows.tolist(), ids_B.tolist())
        output.write(batch.rows, step, ids_B, logprobs_B_V)
        _close(batch, output, is_stop_V[ids_B], limits_N[batch.rows] == step + 1, step + 1)
        active = int((~batch.done).sum())
        if active == 0:
            break
        if 4 * active <= 3 * len(ids_B) and len(ids_B) >= _WORTH_COMPACTING:
            ids_B = _compact(batch, ids_B)
        logits_B_V = _advance(model, batch, ids_B)
    return _collect(output)


def _walk(requests: Sequence[Request], vocab_size: int) -> Walk | None:
    """The rows' places in their grammars; None where all are free, which then costs nothing."""
    grammars = [request.grammar for request in requests]
    return Walk(grammars, vocab_size) if any(g is not None for g in grammars) else None


def _constrained(logits_B_V: torch.Tensor, allowed_B_V: npt.NDArray[np.bool_]) -> torch.Tensor:
    """The logits with -inf where an id is not allowed; what is left is tempered and truncated."""
    allowed = torch.from_numpy(allowed_B_V).to(logits_B_V.device)
    return logits_B_V.masked_fill(~allowed, -torch.inf)


def _uniforms(requests: Sequence[Request]) -> npt.NDArray[np.float64]:
    return uniforms(
        [request.seed for request in requests],
        [len(request.history) for request in requests],
        [request.max_new_tokens for request in requests],
    )


def _stop_table(stop_ids: frozenset[int], vocab_size: int, device: torch.device) -> torch.Tensor:
    is_stop_V = torch.zeros(vocab_size, dtype=torch.bool, device=device)
    is_stop_V[sorted(stop_ids)] = True
    return is_stop_V


def _empty_output(rows: int, tokens: int, device: torch.device) -> _Output:
    return _Output(
        ids=torch.zeros((rows, tokens), dtype=torch.long, device=device),
        logprobs=torch.zeros((rows, tokens), device=device),
        lengths=torch.zeros(rows, dtype=torch.long, device=device),
        stopped=torch.zeros(rows, dtype=torch.bool, device=device),
    )


def _prefill(
    model: PreTrainedModel, requests: Sequence[Request], new_tokens: int, pad_id: int
) -> tuple[_Batch, torch.Tensor]:
    """Read each different history once, and give every request its copy."""
    histories = sorted({request.history for request in requests}, key=len)
    parts = [_read(model, chunk, pad_id) for chunk in _chunks(histories)]
    place = {history: index for index, history in enumerate(histories)}
    origin_B = torch.tensor([place[request.history] for request in requests], device=model.device)
    lengths_B = torch.tensor([len(request.history) for request in requests], device=model.device)
    columns = len(histories[-1])
    batch = _Batch(
        cache=join([cache for cache, _ in parts], origin_B, columns + new_tokens),
        rows=torch.arange(len(requests), device=model.device),
        pads=columns - lengths_B,
        positions=lengths_B,
        done=torch.zeros(len(requests), dtype=torch.bool, device=model.device),
        columns=columns,
    )
    return batch, torch.cat([logits_U_V for _, logits_U_V in parts])[origin_B]


def _chunks(histories: Sequence[tuple[int, ...]]) -> Iterator[Sequence[tuple[int, ...]]]:
    """Runs of histories, shortest first, that hold few enough tokens with their padding."""
    start = 0
    for end in range(1, len(histories) + 1):
        if end == len(histories) or (end + 1 - start) * len(histories[end]) > _PREFILL_TOKENS:
            yield histories[start:end]
            start = end


def _read(
    model: PreTrainedModel, histories: Sequence[tuple[int, ...]], pad_id: int
) -> tuple[RoomyCache, torch.Tensor]:
    """Read some histories; returns their cache and the logits of what comes next, (U, V)."""
    columns = max(map(len, histories))
    ids_U_T = np.full((len(histories), columns), pad_id)
    for row, history in enumerate(histories):
        ids_U_T[row, columns - len(history) :] = history
    pads_U = torch.tensor([columns - len(history) for history in histories], device=model.device)
    cache = RoomyCache(model.config.num_hidden_layers, columns)
    positions_U_T = torch.arange(columns, device=model.device) - pads_U[:, None]
    logits_U_1_V: torch.Tensor = model(
        input_ids=torch.from_numpy(ids_U_T).to(model.device),
        attention_mask=_mask(pads_U, columns),
        position_ids=positions_U_T.clamp_(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    return cache, logits_U_1_V[:, -1]


def _advance(model: PreTrainedModel, batch: _Batch, ids_B: torch.Tensor) -> torch.Tensor:
    """One forward pass over the newest token of each row; returns logits, shape (B, V)."""
    batch.columns += 1
    logits_B_1_V: torch.Tensor = model(
        input_ids=ids_B[:, None],
        attention_mask=_mask(batch.pads, batch.columns),
        position_ids=batch.positions[:, None],
        past_key_values=batch.cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    # A row that is done stays at its position: the next one may lie beyond the model's table.
    batch.positions += ~batch.done
    return logits_B_1_V[:, -1]


def _close(
    batch: _Batch, output: _Output, stopped_B: torch.Tensor, full_B: torch.Tensor, length: int
) -> None:
    """Note the rows that end with the token just sampled."""
    ending_B = (stopped_B | full_B) & ~batch.done
    output.lengths[batch.rows[ending_B]] = length
    output.stopped[batch.rows[ending_B & stopped_B]] = True
    batch.done |= ending_B


def _compact(batch: _Batch, ids_B: torch.Tensor) -> torch.Tensor:
    """Drop the rows that are done, and the columns that only pad; returns the ids that stay."""
    kept_B = (~batch.done).nonzero()[:, 0]
    skip = int(batch.pads[kept_B].min())
    batch.cache = batch.cache.pick(kept_B, skip)
    batch.rows = batch.rows[kept_B]
    batch.pads = batch.pads[kept_B] - skip
    batch.positions = batch.positions[kept_B]
    batch.done = batch.done[kept_B]
    batch.columns -= skip
    return ids_B[kept_B]


def _mask(pads_B: torch.Tensor, columns: int) -> torch.Tensor:
    """True where a column is no left padding, shape (B, columns)."""
    return torch.arange(columns, device=pads_B.device) >= pads_B[:, None]


def _collect(output: _Output) -> list[Sampled]:
    ids = output.ids.tolist()
    logprobs = output.logprobs.tolist()
    ends = zip(output.lengths.tolist(), output.stopped.tolist(), strict=True)
    return [
        Sampled(tuple(ids[row][:length]), tuple(logprobs[row][:length]), stopped)
        for row, (length, stopped) in enumerate(ends)
    ]
