"""What an endpoint sends back, whole or in pieces, put together into one reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

T = TypeVar("T")


def _or_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """What is not of the form that we know counts as not given."""
    try:
        return validate(value)
    except ValidationError:
        return None


# What servers give beside the message differs, and none of it is worth a turn.
_Beside: TypeAlias = Annotated[T | None, WrapValidator(_or_none)]
_Id: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
_Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]


class _Model(BaseModel, frozen=True):
    """Fields besides those that are named are ignored, as the API asks of its clients."""


class _Function(_Model):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _Call(_Model):
    index: int | None = None
    id: str | None = None
    function: _Function = _Function()


class _Part(_Model):
    text: str | None = None


class _Said(_Model):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: _Beside[str] = None
    reasoning: _Beside[str] = None
    tool_calls: list[_Call] | None = None


class _Logprob(_Model):
    logprob: float


class _Logprobs(_Model):
    content: list[_Logprob] | None = None


class _Choice(_Model):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    logprobs: _Beside[_Logprobs] = None
    token_ids: _Beside[list[_Id]] = None
    prompt_token_ids: _Beside[list[_Id]] = None


class _Usage(_Model):
    prompt_tokens: _Beside[_Count] = None
    completion_tokens: _Beside[_Count] = None


class _SglExt(_Model):
    input_ids: list[_Id] | None = None
    output_ids: list[list[_Id]] | list[_Id] | None = None


class _Chunk(_Model):
    choices: list[_Choice] | None = None
    usage: _Beside[_Usage] = None
    prompt_token_ids: _Beside[list[_Id]] = None
    sglext: _Beside[_SglExt] = None
    error: object = None


_CHUNKS = TypeAdapter(_Chunk)


@dataclass(frozen=True, slots=True)
class RawCall:
    """A tool call as it was written: the arguments are text that need not be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished reply.

    Attributes:
        content: The text, or the words in which the model refused.
        calls: The tool calls.
        finish_reason: Why it ended, in the server's word.
        prompt_tokens: How many tokens the request had, if the server says so.
        sampled_tokens: How many tokens were sampled, if the server says so.
        prompt_ids: The ids of the whole request; None where the server gives none.
        sampled_ids: The ids that were sampled; None where the server gives none.
        logprobs: Their log-probabilities; None where the server gives none.
        reasoning: What the model thought, if the server tells it beside the content.
    """

    content: str
    calls: tuple[RawCall, ...]
    finish_reason: str
    prompt_tokens: int | None = None
    sampled_tokens: int | None = None
    prompt_ids: tuple[int, ...] | None = None
    sampled_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    reasoning: str = ""


class MalformedReplyError(Exception):
    """A reply that is none; its text is the server's and may hold anything."""


@dataclass(slots=True)
class _CallPieces:
    id: str
    name: str
    arguments: str


class ReplyBuilder:
    """Puts a reply together; one that came whole is one piece."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _CallPieces] = {}
        self._finish_reason: str | None = None
        self._usage: _Usage | None = None
        self._prompt_ids: list[int] | None = None
        self._sampled_ids: list[int] | None = None
        self._logprobs: list[float] | None = None

    def add(self, piece: bytes | str) -> None:
        """Take the next piece, a JSON object.

        Raises:
            MalformedReplyError: It is no piece of a chat completion, or tells of an error.
        """
        try:
            chunk = _CHUNKS.validate_json(piece)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise MalformedReplyError(f"{where or 'it'}: {first['msg']}") from None
        if chunk.error is not None:
            raise MalformedReplyError(f"the server failed in the middle of it: {chunk.error}")
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.prompt_token_ids is not None:
            self._prompt_ids = chunk.prompt_token_ids
        for choice in (chunk.choices or [])[:1]:
            self._add_choice(choice)
        if chunk.sglext is not None:
            self._add_sglext(chunk.sglext)

    def reply(self) -> Reply:
        """The whole reply.

        Raises:
            MalformedReplyError: It has no end.
        """
        if self._finish_reason is None:
            raise MalformedReplyError("it has no finish_reason: it was cut")
        return Reply(
            content="".join(self._content) or "".join(self._refusal),
            calls=tuple(
                RawCall(call.id, call.name, call.arguments)
                for _, call in sorted(self._calls.items())
            ),
            finish_reason=self._finish_reason,
            prompt_tokens=self._usage.prompt_tokens if self._usage else None,
            sampled_tokens=self._usage.completion_tokens if self._usage else None,
            prompt_ids=None if self._prompt_ids is None else tuple(self._prompt_ids),
            sampled_ids=None if self._sampled_ids is None else tuple(self._sampled_ids),
            logprobs=None if self._logprobs is None else tuple(self._logprobs),
            reasoning="".join(self._reasoning),
        )

    def _add_choice(self, choice: _Choice) -> None:
        said = choice.message or choice.delta
        if said is not None:
            self._add_said(said)
        if choice.finish_reason is not None:
            self._finish_reason = choice.finish_reason
        if choice.prompt_token_ids is not None:
            self._prompt_ids = choice.prompt_token_ids
        if choice.token_ids is not None:
            self._sampled_ids = (self._sampled_ids or []) + choice.token_ids
        if choice.logprobs is not None and choice.logprobs.content is not None:
            logprobs = [entry.logprob for entry in choice.logprobs.content]
            self._logprobs = (self._logprobs or []) + logprobs

    def _add_said(self, said: _Said) -> None:
        if isinstance(said.content, str):
            self._content.append(said.content)
        elif said.content:
            self._content.extend(part.text or "" for part in said.content)
        if said.refusal:
            self._refusal.append(said.refusal)
        # Some servers say the same under both names.
        self._reasoning.append(said.reasoning_content or said.reasoning or "")
        for call in said.tool_calls or ():
            self._add_call(call)

    def _add_call(self, call: _Call) -> None:
        place = call.index
        if place is None:
            # Servers that do not number pieces send a call whole, or go on with the last one.
            goes_on = self._calls and not call.id and not call.function.name
            place = max(self._calls, default=-1) + (not goes_on)
        pieces = self._calls.setdefault(place, _CallPieces("", "", ""))
        pieces.id = pieces.id or call.id or ""
        pieces.name = pieces.name or call.function.name or ""
        arguments = call.function.arguments
        pieces.arguments += arguments if isinstance(arguments, str) else _as_text(arguments)

    def _add_sglext(self, extension: _SglExt) -> None:
        if extension.input_ids is not None:
            self._prompt_ids = extension.input_ids
        if extension.output_ids:
            first = extension.output_ids[0]
            ids = first if isinstance(first, list) else extension.output_ids
            self._sampled_ids = [token for token in ids if isinstance(token, int)]


def _as_text(arguments: dict[str, object] | None) -> str:
    # Some servers send the object itself and not its text.
    return "" if arguments is None else TypeAdapter(dict[str, object]).dump_json(arguments).decode()
