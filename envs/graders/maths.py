r"""Answers of mathematics: found where a data set's convention puts them, compared by math-verify.

math-verify bounds its time by alarms, which threads do not have, and what it calls can compute
without end; so comparisons run apart (`isolated`), and what a model writes costs it at most the
answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeAlias

from reachgym.envs.graders.isolated import Failed, Isolated
from reachgym.envs.types import Verdict
from reachgym.envs.verifier import Attempt, Verifier

Extract: TypeAlias = Callable[[str], str | None]

# The longest answers of MATH have two hundred.
MOST_CHARACTERS = 1000

_NUMBER = re.compile(r"-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:/\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?=[^\s{]))")
_UNBRACED_END = re.compile(r"[$\n]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_DELIMITED = re.compile(r"\$\$([^$]+)\$\$|\$([^$]+)\$|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
# Far less than a model may write, and all that is looked at for a last number.
_TAIL = 20_000


def boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}` or `\fbox{...}`; None if there is none that ends.

    As in MATH, `\boxed` may be followed by what goes on to a `$` or a line's end, without braces.
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    inner = text[boxes[-1].end() :]
    if boxes[-1][0].endswith("{"):
        end = _closing(inner)
        return None if end is None else inner[:end].strip()
    return _UNBRACED_END.split(inner, maxsplit=1)[0].strip().rstrip(".,") or None


def _closing(inner: str) -> int | None:
    """Where the brace is closed that was opened before."""
    depth = 1
    for match in _BRACE.finditer(inner):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def after_hashes(text: str) -> str | None:
    """The number after the last `####`, as GSM8K writes it; None if there is none."""
    _, found, tail = text.rpartition("####")
    number = _NUMBER.search(tail[:MOST_CHARACTERS]) if found else None
    return None if number is None else number[0]


def last_number(text: str) -> str | None:
    """The last number of a text, its sign and thousands' commas included."""
    numbers = _NUMBER.findall(text[-_TAIL:])
    return str(numbers[-1]) if numbers else None


def gsm8k_answer(text: str) -> str | None:
    r"""GSM8K's convention: the number after `####`, else what is boxed, else the last number."""
    return after_hashes(text) or boxed(text) or last_number(text)


def math_answer(text: str) -> str | None:
    r"""MATH's convention: what is boxed last; an answer of one line may go without."""
    if _BOX.search(text):
        return boxed(text)
    line = text.strip()
    return line if line and "\n" not in line else None


def maths_verifier(extract: Extract) -> Verifier:
    """A verifier that extracts an answer and passes it when it equals the task's gold."""
    return partial(_verify, extract)


def _verify(extract: Extract, attempt: Attempt) -> Verdict:
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    gold, given = attempt.task.gold, extract(attempt.answer)
    if given is None:
        return Verdict(0.0, False, "The answer was not found where the prompt asks for it.")
    why = difference(gold, given)
    if why:
        return Verdict(0.0, False, f"The answer is {given[:80]!r}, expected {gold!r}: {why}.")
    return Verdict(1.0, True, f"The answer {given[:80]!r} is right.")


def difference(gold: str, answer: str) -> str:
    """Why an answer does not equal the gold, in few words; empty where it does.

    Both are LaTeX or plain text, with or without dollars around them. An answer whose comparison
    takes too long, or crashes, does not equal the gold.

    Raises:
        SandboxError: Nothing could be compared, whatever the answer.
    """
    gold, answer = _bare(gold), _bare(answer)
    if gold == answer:
        return ""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return "" if int(gold) == int(answer) else "it is another number"
    if len(answer) > MOST_CHARACTERS:
        return f"it has more than {MOST_CHARACTERS} characters"
    equal = _comparer().call("equal", gold, answer)
    if isinstance(equal, Failed):
        return f"it could not be compared, {equal.why}"
    return "" if equal is True else "it is not equal"


@lru_cache(maxsize=1)
def _comparer() -> Isolated:
    return Isolated("reachgym.envs.graders.maths_compare")


def _bare(text: str) -> str:
    """Without what surrounds an expression in prose."""
    text = text.strip().removeprefix("**").removesuffix("**").strip().removesuffix(".")
    match = _DELIMITED.fullmatch(text)
    if match:
        text = next(group for group in match.groups() if group is not None).strip()
    return text.replace(r"\varnothing", r"\emptyset")
