"""The texts of sampled tokens, where it is known what tokenizer they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from reachgym.agents.protocol import Completion
from reachgym.agents.renderers.terse import TerseRenderer
from reachgym.envs.errors import CheckpointError
from reachgym.envs.types import Message


class TokenTexts(Protocol):
    """Tells tokens' texts."""

    def of(self, completion: Completion, turn: int) -> list[str | None]:
        """The text of each sampled id of a turn, or None."""
        ...


class TerseTexts:
    """The small world's characters, where they give the stored message back."""

    def __init__(self) -> None:
        self._renderer = TerseRenderer()

    def of(self, completion: Completion, turn: int) -> list[str | None]:
        """The text of each sampled id of a turn, or None."""
        ids = completion.sampled_ids
        unknown: list[str | None] = [None] * len(ids)
        if any(not 0 <= number < self._renderer.vocab_size for number in ids):
            return unknown
        if _said(self._renderer.parse(ids, turn)) != _said(completion.message):
            return unknown
        return list(self._renderer.decode(ids))


class TokenizerTexts:
    """A Hugging Face tokenizer's."""

    def __init__(self, folder: Path) -> None:
        """Open it; nothing is downloaded.

        Raises:
            CheckpointError: The folder holds no tokenizer.
        """
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"expected a folder with a Hugging Face tokenizer, {folder} is none ({error}); "
                "save one there with `tokenizer.save_pretrained`"
            ) from error

    def of(self, completion: Completion, turn: int) -> list[str | None]:
        """The text of each sampled id of a turn, or None."""
        del turn
        known = len(self._tokenizer)
        return [
            self._tokenizer.decode([number]) if 0 <= number < known else None
            for number in completion.sampled_ids
        ]


def token_texts(tokenizer: Path | None) -> TokenTexts:
    """Those of a tokenizer's folder, or of the small world.

    Raises:
        CheckpointError: The folder holds no tokenizer.
    """
    return TerseTexts() if tokenizer is None else TokenizerTexts(tokenizer)


def _said(message: Message) -> tuple[str, list[tuple[str, object]]]:
    return message.content, [(call.name, dict(call.arguments)) for call in message.tool_calls]
