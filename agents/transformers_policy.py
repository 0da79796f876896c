"""A policy over any Hugging Face causal language model: batched acting and float32 scoring."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

import numpy as np
import numpy.typing as npt
import torch

from reachgym.agents.generation.decoder import Decoder
from reachgym.agents.generation.engine import TransformersEngine
from reachgym.agents.generation.shape import CacheShape, cache_shape
from reachgym.agents.generation.turns import Turn, prepare
from reachgym.agents.protocol import (
    Completion,
    Conversation,
    FloatArray,
    Limits,
    Request,
    TokenSequence,
)
from reachgym.agents.renderers.protocol import Renderer
from reachgym.agents.sampling import Decoding, logprobs_of
from reachgym.envs.errors import CheckpointError, InputError
from reachgym.envs.types import ToolSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Weight: TypeAlias = "torch.Tensor | npt.NDArray[np.generic]"

# Temperature 1 and nothing cut off: all else is a variant of the policy.
_AS_MEASURED = Decoding()

# Keys and values of rows and conversations: enough for a small model's largest batches.
_CACHE_BYTES = 4 * 2**30

# Logits of one scoring batch, in numbers: half a gigabyte of float32.
_SCORED_LOGITS = 2**27


class TransformersPolicy:
    """Acts and scores with a Hugging Face causal language model.

    The history of a conversation is the ids that its completions carry plus the renderer's
    rendering of the newest replies; decoded text is never tokenised again.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        renderer: Renderer,
        *,
        decoding: Decoding = _AS_MEASURED,
        constrained: bool = False,
        max_batch: int = 256,
        cache_bytes: int = _CACHE_BYTES,
        device: str = "cpu",
    ) -> None:
        """Take a model and its renderer.

        Args:
            model: A causal language model; put into evaluation mode on `device`.
            renderer: Between messages and the model's ids.
            decoding: The distribution that is sampled and scored; as measured by default.
            constrained: Turns must be what the renderer's grammar accepts; nothing is scored then.
            max_batch: Most rows in one forward pass.
            cache_bytes: Bound of the keys and values of all rows and of the conversations that an
                engine keeps between turns. A row counts with all that it may still sample; rows
                that find no room wait. One row alone is taken up whatever it needs.
            device: A torch device.

        Raises:
            InputError: The batch is empty, the memory negative, or the renderer writes ids that the
                model has no embedding for.
            ConfigError: The policy is constrained and the renderer has no grammar.
        """
        if constrained:
            renderer.grammar(())  # A renderer without one is refused before any episode.
        if max_batch < 1:
            raise InputError(f"expected max_batch >= 1, got {max_batch}; give batches a row")
        if cache_bytes < 0:
            raise InputError(f"expected cache_bytes >= 0, got {cache_bytes}; 0 keeps nothing")
        if renderer.vocab_size > model.config.vocab_size:
            raise InputError(
                f"the renderer writes {renderer.vocab_size} ids and the model knows "
                f"{model.config.vocab_size}; use the tokenizer that the model was trained with"
            )
        self.model = model.to(device).eval()
        self.renderer = renderer
        self.decoding = decoding
        self.constrained = constrained
        self.max_batch = max_batch
        self.cache_bytes = cache_bytes
        self._version = 0
        self._engines: WeakSet[TransformersEngine] = WeakSet()

    @classmethod
    def from_checkpoint(
        cls,
        path: str | os.PathLike[str],
        renderer: Renderer,
        *,
        decoding: Decoding = _AS_MEASURED,
        max_batch: int = 256,
        cache_bytes: int = _CACHE_BYTES,
        device: str = "cpu",
    ) -> TransformersPolicy:
        """A policy over a checkpoint folder, in float32; nothing is downloaded.

        Raises:
            CheckpointError: The folder holds no causal language model.
        """
        from transformers import AutoModelForCausalLM

        try:
            model = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                "expected a folder with config.json and weights of a Hugging Face causal language "
                f"model, {os.fspath(path)!r} is none ({error}); save one there with "
                "`model.save_pretrained`"
            ) from error
        return cls(
            model,
            renderer,
            decoding=decoding,
            max_batch=max_batch,
            cache_bytes=cache_bytes,
            device=device,
        )

    @property
    def version(self) -> int:
        """The version of the weights in use."""
        return self._version

    def load_weights(self, state_dict: Mapping[str, Weight], version: int) -> None:
        """Take new weights, such as a learner publishes; engines begin turns under way anew.

        Args:
            state_dict: Tensors or arrays by name, copied; tied weights need one of their names.
            version: What completions will say sampled them.

        Raises:
            CheckpointError: The names or shapes are not this model's.
        """
        own = self.model.state_dict()
        given = {own[name].data_ptr() for name in state_dict if name in own}
        missing = [name for name, tensor in own.items() if tensor.data_ptr() not in given]
        unknown = [name for name in state_dict if name not in own]
        if missing or unknown:
            raise self._foreign(f"missing {missing[:3]}, unknown {unknown[:3]}")
        for engine in self._engines:
            engine.restart()
        try:
            self.model.load_state_dict(
                {
                    name: torch.tensor(value) if isinstance(value, np.ndarray) else value
                    for name, value in state_dict.items()
                },
                strict=False,
            )
        except RuntimeError as error:
            raise self._foreign(str(error)) from error
        self._version = version

    def act(
        self,
        conversations: Sequence[Conversation],
        tools: Sequence[Sequence[ToolSpec]],
        limits: Sequence[Limits],
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion per conversation.

        At most `max_batch` rows are in a forward pass; longer and shorter ones meet in it as
        little as can be. Equal calls give equal results to the last bit.

        Raises:
            InputError: The model cannot generate here; see `engine`.
        """
        rows = zip(conversations, tools, limits, seeds, strict=True)
        turns = [self._prepare(Request(*row)) for row in rows]
        histories = [() if turn.row is None else turn.row.history for turn in turns]
        engine = self._open(keep=False)
        # Neighbours of equal history are read at once.
        for place in sorted(range(len(turns)), key=lambda i: (len(histories[i]), histories[i])):
            engine.begin(place, turns[place])
        completions: dict[int, Completion] = {}
        while not engine.idle:
            for place, completion in engine.step():
                if isinstance(completion, Exception):
                    raise completion
                completions[place] = completion
        return [completions[place] for place in range(len(turns))]

    def engine(self, wake: Callable[[], None]) -> TransformersEngine:
        """An engine whose conversations come and go at every token.

        Caches of conversations are kept between turns, and of prompts that several attempts share,
        as far as `cache_bytes` reaches; `load_weights` alone may change the weights under them.

        Args:
            wake: Never called: the engine computes in its steps alone.

        Raises:
            InputError: A layer attends neither to all earlier tokens nor to a window of them (state
                spaces, chunks), or the attention takes no mask (flash attention).
        """
        engine = self._open(keep=True)
        self._engines.add(engine)
        return engine

    def score(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        """Per sequence, natural log-probabilities of the masked ids, shape (mask.sum(),).

        They are -inf where decoding cuts an id off; right at a cut, rounding decides.

        Raises:
            InputError: A mask covers a sequence's first id, which nothing predicts, or the policy
                is constrained: a sequence does not tell which tools its grammar had.
        """
        self.model.eval()
        if self.constrained:
            raise InputError(
                "a constrained policy cannot score, as token ids do not tell which tools were "
                "offered; score with an unconstrained policy"
            )
        if any(len(sequence.mask) and sequence.mask[0] for sequence in sequences):
            raise InputError(
                "expected masks that leave out the first id, got one that covers it; "
                "nothing comes before the first id that could predict it"
            )
        order = sorted(range(len(sequences)), key=lambda i: len(sequences[i].ids))
        scores: dict[int, FloatArray] = {}
        while order:
            longest = max(len(sequences[order[-1]].ids), 1)
            room = _SCORED_LOGITS // (longest * self.model.config.vocab_size)
            count = max(1, min(self.max_batch, room))
            order, places = order[:-count], order[-count:]
            scored = self._score_batch([sequences[place] for place in places])
            scores.update(zip(places, scored, strict=True))
        return [scores[place] for place in range(len(sequences))]

    def _foreign(self, difference: str) -> CheckpointError:
        return CheckpointError(
            f"expected the weights of this {type(self.model).__name__}, got others: {difference}; "
            "publish the state_dict() of a model with the same configuration"
        )

    @cached_property
    def _shape(self) -> CacheShape:
        return cache_shape(self.model)

    def _open(self, *, keep: bool) -> TransformersEngine:
        decoder = Decoder(
            self.model,
            self._shape,
            stop_ids=self.renderer.stop_ids,
            pad_id=self.renderer.pad_id,
            decoding=self.decoding,
            max_rows=self.max_batch,
            cache_bytes=self.cache_bytes,
            keep=keep,
        )
        return TransformersEngine(decoder, self.renderer, self._prepare, lambda: self._version)

    def _prepare(self, request: Request) -> Turn:
        limit = self.model.config.max_position_embeddings
        return prepare(request, self.renderer, limit, self.constrained)

    @torch.inference_mode()
    def _score_batch(self, sequences: Sequence[TokenSequence]) -> list[FloatArray]:
        # Right padding needs no attention mask: a causal model never looks at it.
        longest = max(len(sequence.ids) for sequence in sequences)
        ids_B_T = np.full((len(sequences), longest), self.renderer.pad_id, np.int64)
        mask_B_T = np.zeros((len(sequences), longest), np.bool_)
        for row, sequence in enumerate(sequences):
            ids_B_T[row, : len(sequence.ids)] = sequence.ids
            mask_B_T[row, : len(sequence.mask)] = sequence.mask
        if not mask_B_T.any():
            return [np.zeros(0, np.float32) for _ in sequences]
        ids = torch.from_numpy(ids_B_T).to(self.model.device)
        mask = torch.from_numpy(mask_B_T[:, 1:]).to(self.model.device)
        logits_B_T_V = self.model(input_ids=ids, use_cache=False).logits[:, :-1]
        flat_N = logprobs_of(logits_B_T_V[mask], ids[:, 1:][mask], self.decoding)
        ends = np.cumsum(mask_B_T.sum(1))[:-1]
        return list(np.split(flat_N.cpu().numpy(), ends))
