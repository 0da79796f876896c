"""The small world's terse transcript over characters: `[s:query]`, `{result}`, `=answer;`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters, digits

from reachgym.agents.grammar import Automaton
from reachgym.envs.errors import InputError
from reachgym.envs.types import Message, ToolCall, ToolSpec

ALPHABET = ascii_letters + digits + "[]{}=;:/,.*+-()?!<>_'\"#%&|^~ \n"
RESULT_CHARACTERS = 32
GRAMMAR_CHARACTERS = 32

_SPECIALS = 3
_UNKNOWN = "\ufffd"
_ID_OF = {character: _SPECIALS + index for index, character in enumerate(ALPHABET)}
_TOOL_OF = {
    "s": ("search", "query"),
    "p": ("python", "code"),
    "q": ("sql", "query"),
    "c": ("shell", "command"),
    "h": ("http", "request"),
    "f": ("probe", "x"),
}
_LETTER_OF = {name: letter for letter, (name, _) in _TOOL_OF.items()}
_HOW = "write [LETTER:ARGUMENT], such as [s:QUERY] to search or [p:CODE] to run Python"


class TerseRenderer:
    """A character tokenizer and the small world's call syntax.

    A prompt is `<bos>`, its text and a newline; there is no system prompt and no tool schema. An
    assistant turn is scratch text and then `[s:QUERY]`, `[p:CODE]` or `=ANSWER;`. A tool's result
    is `{text}`, cut at 32 characters.
    """

    pad_id = 0
    bos_id = 1
    unk_id = 2
    stop_ids = frozenset({_ID_OF["]"], _ID_OF[";"]})
    vocab_size = _SPECIALS + len(ALPHABET)
    packs_episodes = True

    def open(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """`<bos>`, then every message's text and a newline; the tools go unmentioned."""
        return [self.bos_id, *self.encode_text("".join(f"{m.content}\n" for m in messages))]

    def reply(self, messages: Sequence[Message]) -> list[int]:
        """Tool results in braces, in order; any other message as text and a newline."""
        return self.encode_text("".join(_replied(message) for message in messages))

    def parse(self, ids: Sequence[int], turn: int) -> Message:
        """A call where the text ends with `]`, an answer where it ends with `;`, else raw text."""
        text = self.decode(ids)
        if text.endswith("]") and "[" in text:
            scratch, _, call = text[:-1].rpartition("[")
            return Message("assistant", scratch, (_parsed_call(call, f"call_{turn}_0"),))
        if text.endswith(";") and "=" in text:
            return Message("assistant", text[:-1].rpartition("=")[2])
        return Message("assistant", text)

    def encode(self, message: Message) -> list[int]:
        """The ids of a call or of an answer.

        Raises:
            InputError: The message has several calls, or a call or an answer that this syntax
                cannot write.
        """
        if not message.tool_calls:
            return self.encode_text(f"={_writable(message.content, '=;')};")
        if len(message.tool_calls) > 1:
            raise InputError(
                f"a terse turn holds one call, got {len(message.tool_calls)}; "
                "split them over several turns"
            )
        return self.encode_text(message.content + _written_call(message.tool_calls[0]))

    def encode_text(self, text: str) -> list[int]:
        """One id per character; characters outside the alphabet become `<unk>`."""
        return [_ID_OF.get(character, self.unk_id) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """One character per id; special ids show as U+FFFD, so that they never vanish."""
        return "".join(ALPHABET[i - _SPECIALS] if i >= _SPECIALS else _UNKNOWN for i in ids)

    def grammar(self, tools: Sequence[ToolSpec]) -> Automaton:
        """A call of an offered tool or an answer, of 1 to 32 characters, and nothing before it.

        Scratch text is forbidden: a policy that may write it can wander through it and never call,
        and what constraining shall elicit is the call. Arguments cannot hold brackets, answers
        neither brackets nor `=`, and none `;`: these are syntax, or would end the turn early.
        Tools that the syntax has no letter for cannot be called.
        """
        offered = {tool.name for tool in tools}
        return _grammar(tuple(sorted(_LETTER_OF[name] for name in offered & _LETTER_OF.keys())))


@lru_cache
def _grammar(letters: tuple[str, ...]) -> Automaton:
    """The automaton of a turn: state 0 starts, the last one ends."""
    lengths = range(GRAMMAR_CHARACTERS + 1)
    # States: start, behind `[`, behind the letter, then argument and answer by their length.
    bracket, letter, argument = 1, 2, 3
    answer = argument + len(lengths)
    end = answer + len(lengths)
    table: list[dict[int, int]] = [{} for _ in range(end + 1)]
    table[0][_ID_OF["="]] = answer
    if letters:
        table[0][_ID_OF["["]] = bracket
    table[bracket] = {_ID_OF[name]: letter for name in letters}
    table[letter] = {_ID_OF[":"]: argument}
    for first, reserved, last in ((argument, "[];", "]"), (answer, "[]=;", ";")):
        free = [_ID_OF[c] for c in ALPHABET if c not in reserved]
        for length in lengths:
            if length < GRAMMAR_CHARACTERS:
                table[first + length] = dict.fromkeys(free, first + length + 1)
            if length > 0:
                table[first + length][_ID_OF[last]] = end
    return Automaton(table, TerseRenderer.vocab_size)


def _replied(message: Message) -> str:
    if message.role != "tool":
        return f"{message.content}\n"
    return "{" + message.content[:RESULT_CHARACTERS] + "}"


def _parsed_call(text: str, call_id: str) -> ToolCall:
    letter, colon, argument = text.partition(":")
    if colon and letter in _TOOL_OF:
        name, parameter = _TOOL_OF[letter]
        return ToolCall(call_id, name, {parameter: argument})
    wrong = f"unknown tool letter {letter!r}" if colon else "a call without ':'"
    return ToolCall(
        call_id,
        letter if colon else "",
        parse_error=f"{wrong}; {_HOW}",
    )


def _written_call(call: ToolCall) -> str:
    letter = _LETTER_OF.get(call.name)
    if letter is None or call.parse_error is not None:
        raise InputError(
            f"a terse call is one of {sorted(_LETTER_OF)}, got {call.name!r}; "
            "only well-formed calls of these tools can be encoded"
        )
    argument = call.arguments.get(_TOOL_OF[letter][1])
    if not isinstance(argument, str):
        raise InputError(
            f"a terse call of {call.name!r} needs the text argument {_TOOL_OF[letter][1]!r}, "
            f"got {dict(call.arguments)!r}"
        )
    return f"[{letter}:{_writable(argument, '[]')}]"


def _writable(text: str, reserved: str) -> str:
    found = sorted(set(text) & set(reserved))
    if found:
        raise InputError(
            f"terse text here cannot hold {found}, got {text!r}; these characters are syntax"
        )
    return text
