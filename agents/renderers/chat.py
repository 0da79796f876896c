"""Any chat model's format, rendered by its tokenizer's own template and kept as deltas."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from reachgym.agents.renderers.hermes import parse_hermes
from reachgym.envs.errors import CheckpointError, ConfigError, InputError
from reachgym.envs.types import Message, ToolSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_QUESTION: Mapping[str, Any] = {"role": "user", "content": "q"}


class ChatRenderer:
    """Renders with a Hugging Face tokenizer's chat template; calls are Hermes-style.

    The template renders whole conversations only. A delta is what it adds behind a dummy
    assistant turn, so what the policy sampled is never rendered again. Control tokens that occur
    in prompts or tool results are encoded as ordinary text: a tool cannot forge a turn.
    """

    packs_episodes = False

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take a tokenizer that has a chat template.

        Raises:
            CheckpointError: There is no template, or it does not end assistant turns with a
                special token.
        """
        if not tokenizer.chat_template:
            raise CheckpointError(
                f"expected a tokenizer with a chat template, {tokenizer.name_or_path!r} has none; "
                "take an instruction-tuned checkpoint or set `tokenizer.chat_template`"
            )
        self.tokenizer = tokenizer
        self._end_id = self._end_of_turn()
        stops = {self._end_id, tokenizer.eos_token_id}
        self.stop_ids: frozenset[int] = frozenset(i for i in stops if i is not None)
        padding = tokenizer.pad_token_id
        self.pad_id: int = self._end_id if padding is None else padding
        self.vocab_size: int = len(tokenizer)

    @classmethod
    def from_checkpoint(cls, path: str | os.PathLike[str]) -> ChatRenderer:
        """The renderer of a checkpoint folder's tokenizer; nothing is downloaded.

        Raises:
            CheckpointError: The folder holds no tokenizer, or one without a usable template.
        """
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"expected a folder with a Hugging Face tokenizer, {os.fspath(path)!r} is none "
                f"({error}); save one there with `tokenizer.save_pretrained`"
            ) from error
        return cls(tokenizer)

    def open(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """The template's rendering of the opening messages with the tools' schemas."""
        schemas = [_schema(tool) for tool in tools] or None
        return self._render([_entry(m) for m in messages], tools=schemas, generate=True)

    def reply(self, messages: Sequence[Message]) -> list[int]:
        """What the template adds behind an assistant's stop token."""
        calls = [m.tool_call_id for m in messages if m.role == "tool"]
        prefix: list[Mapping[str, Any]] = [_QUESTION, _dummy_turn(calls)]
        full = self._render([*prefix, *map(_entry, messages)], generate=True)
        turns = self._render(prefix).count(self._end_id)
        ends = [index for index, token in enumerate(full) if token == self._end_id]
        return full[ends[turns - 1] + 1 :]

    def parse(self, ids: Sequence[int], turn: int) -> Message:
        """The Hermes-style message of a turn; one stop token at its end is not part of it."""
        said = ids[:-1] if ids and ids[-1] in self.stop_ids else ids
        return parse_hermes(self.decode(said), turn)

    def encode(self, message: Message) -> list[int]:
        """The assistant turn as the template writes it, from the generation prompt on.

        Raises:
            InputError: The template writes this message other than behind its own generation
                prompt, so no ids of it would be what a model is asked for.
        """
        prompt = self._render([_QUESTION], generate=True, trusted=True)
        full = self._render([_QUESTION, _entry(message)], trusted=True)
        if full[: len(prompt)] != prompt or self._end_id not in full[len(prompt) :]:
            raise InputError(
                "expected the chat template to write an assistant turn behind its generation "
                f"prompt, got {self.decode(full)!r}; this template cannot be trained on by turns"
            )
        last = len(full) - full[::-1].index(self._end_id)
        return full[len(prompt) : last]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens shown."""
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def grammar(self, tools: Sequence[ToolSpec]) -> NoReturn:
        """None is offered: it would have to follow JSON through the merges of any vocabulary.

        Raises:
            ConfigError: Always.
        """
        del tools
        raise ConfigError(
            "constrained decoding is not offered by ChatRenderer, whose calls are Hermes-style "
            "JSON; leave turns unconstrained"
        )

    def _render(
        self,
        entries: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        generate: bool = False,
        trusted: bool = False,
    ) -> list[int]:
        ids: list[int] = self.tokenizer.apply_chat_template(
            list(entries),
            tools=tools,
            add_generation_prompt=generate,
            sanitize_control_tokens=not trusted,
            return_dict=False,
        )
        return ids

    def _end_of_turn(self) -> int:
        turn = self._render([_QUESTION, {"role": "assistant", "content": "a"}])
        prompt = self._render([_QUESTION], generate=True)
        special = set(self.tokenizer.all_special_ids)
        for token in reversed(turn[len(prompt) :]):
            if token in special:
                return token
        raise CheckpointError(
            "expected a chat template that ends an assistant turn with a special token, got "
            f"{self.decode(turn)!r}; use a checkpoint whose turns end in one"
        )


def _entry(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        entry["tool_calls"] = [
            _call_entry(call.id, call.name, call.arguments) for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    return entry


def _call_entry(call_id: str | None, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": dict(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def _dummy_turn(call_ids: Sequence[str | None]) -> dict[str, Any]:
    """An assistant turn that the given calls' results may follow in any strict template."""
    turn: dict[str, Any] = {"role": "assistant", "content": "a"}
    if call_ids:
        turn["tool_calls"] = [_call_entry(call_id, "tool", {}) for call_id in call_ids]
    return turn


def _schema(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
