"""Batched generation: every history is read once, then all rows take a token per forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from reachgym.agents.kv_cache import RoomyCache
from reachgym.agents.sampling import draw, log_distribution, uniforms

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Below this many rows a pass costs the same with fewer of them.
_WORTH_COMPACTING = 16


@dataclass(frozen=True, slots=True)
class Request:
    """One row to continue.

    Attributes:
        history: Token ids so far, at least one.
        max_new_tokens: Most tokens to sample, at least one.
        seed: Keys the row's uniforms.
    """

    history: tuple[int, ...]
    max_new_tokens: int
    seed: int


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


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    requests: Sequence[Request],
    *,
    stop_ids: frozenset[int],
    pad_id: int,
    temperature: float,
) -> list[Sampled]:
    """Continue every request until a stop id or its token limit.

    A row's draws depend on its own history, seed and weights only; the batch that it is in
    changes its logits by float rounding and nothing else.

    Args:
        model: A causal language model in evaluation mode.
        requests: The rows, all decoded as one batch.
        stop_ids: Ids that end a row; the stop id is kept.
        pad_id: Fills the left of shorter histories; never attended to.
        temperature: Divides the logits; 0 is greedy.
    """
    device = model.device
    limits_N = torch.tensor([request.max_new_tokens for request in requests], device=device)
    uniforms_N_T = torch.from_numpy(_uniforms(requests)).to(device)
    output = _empty_output(len(requests), int(limits_N.max()), device)
    is_stop_V = torch.zeros(model.config.vocab_size, dtype=torch.bool, device=device)
    is_stop_V[sorted(stop_ids)] = True
    batch, logits_B_V = _prefill(model, requests, output.ids.shape[1], pad_id)
    for step in range(output.ids.shape[1]):
        logprobs_B_V = log_distribution(logits_B_V, temperature)
        ids_B = draw(logprobs_B_V, uniforms_N_T[batch.rows, step])
        output.ids[batch.rows, step] = ids_B
        output.logprobs[batch.rows, step] = logprobs_B_V.gather(1, ids_B[:, None])[:, 0]
        _close(batch, output, is_stop_V[ids_B], limits_N[batch.rows] == step + 1, step + 1)
        active = int((~batch.done).sum())
        if active == 0:
            break
        if 2 * active <= len(ids_B) and len(ids_B) >= _WORTH_COMPACTING:
            ids_B = ids_B[~batch.done]
            _compact(batch)
        logits_B_V = _advance(model, batch, ids_B)
    return _collect(output)


def _uniforms(requests: Sequence[Request]) -> npt.NDArray[np.float64]:
    return uniforms(
        [request.seed for request in requests],
        [len(request.history) for request in requests],
        [request.max_new_tokens for request in requests],
    )


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
    place = {history: i for i, history in enumerate(dict.fromkeys(r.history for r in requests))}
    lengths = np.array([len(history) for history in place])
    columns = int(lengths.max())
    ids_U_T = np.full((len(place), columns), pad_id)
    for row, history in enumerate(place):
        ids_U_T[row, columns - len(history) :] = history
    pads_U = torch.from_numpy(columns - lengths).to(model.device)
    capacity = columns + new_tokens
    cache = RoomyCache.empty(model.config.num_hidden_layers, capacity)
    positions_U_T = torch.arange(columns, device=model.device) - pads_U[:, None]
    logits_U_V = model(
        input_ids=torch.from_numpy(ids_U_T).to(model.device),
        attention_mask=_mask(pads_U, columns),
        position_ids=positions_U_T.clamp_(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    origin_B = torch.tensor([place[request.history] for request in requests], device=model.device)
    if len(place) < len(requests):
        cache = cache.pick(origin_B, 0, capacity)
    batch = _Batch(
        cache=cache,
        rows=torch.arange(len(requests), device=model.device),
        pads=pads_U[origin_B],
        positions=columns - pads_U[origin_B],
        done=torch.zeros(len(requests), dtype=torch.bool, device=model.device),
        columns=columns,
    )
    return batch, logits_U_V[origin_B]


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


def _compact(batch: _Batch) -> None:
    """Drop the rows that are done, and the columns that are padding in all others."""
    kept_B = (~batch.done).nonzero()[:, 0]
    skip = int(batch.pads[kept_B].min())
    capacity = batch.cache.get_max_length() - skip
    batch.cache = batch.cache.pick(kept_B, skip, capacity)
    batch.rows = batch.rows[kept_B]
    batch.pads = batch.pads[kept_B] - skip
    batch.positions = batch.positions[kept_B]
    batch.done = batch.done[kept_B]
    batch.columns -= skip


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
