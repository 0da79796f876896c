"""Scripted agents for ApiQuest: one that reads and calls, one that guesses."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from reachgym.envs.suites.api_quest.api import WORD_LETTERS
from reachgym.envs.suites.api_quest.tasks import asked_in
from reachgym.envs.suites.oracle import answer, call_tool, prompt_of, tool_outputs
from reachgym.envs.suites.world import spell
from reachgym.envs.types import Message

_SUBJECT = -1
# The calls of each level: which document's form, and what fills it: the subject, or the word that
# an earlier call gave.
_PLANS: Mapping[int, Sequence[tuple[int, tuple[int, ...]]]] = {
    1: [(1, (_SUBJECT,))],
    2: [(1, (_SUBJECT,)), (2, (0,))],
    3: [(1, (_SUBJECT,)), (2, (0,)), (3, (0,))],
    4: [(1, (_SUBJECT,)), (2, (0,)), (3, (1,)), (2, (0,)), (4, (0,)), (4, (0, 4))],
}
_BLANK = re.compile(r"#|<\w+>")
_WORD = re.compile(r"\b[a-z]{5}\b")
_REFUSED = re.compile(r"(HTTP )?4(?!09)\d\d")
_FORM = re.compile(r"(GET|POST) /\w+")


def oracle(messages: Sequence[Message]) -> Message:
    """The next turn of an agent that reads all documents, then makes the calls in their order."""
    level, topic, subject = asked_in(prompt_of(messages))
    outputs = tool_outputs(messages)
    if len(outputs) < level:
        return call_tool(messages, "search", {"query": f"{topic} {len(outputs) + 1}"})
    forms = [output.partition("\n")[0] for output in outputs[:level]]
    words = [_last_word(output) for output in outputs[level:]]
    plan = _PLANS[level]
    if len(words) == len(plan):
        return answer(words[-1])
    document, sources = plan[len(words)]
    fills = [subject if source == _SUBJECT else words[source] for source in sources]
    form = forms[document - 1]
    if _FORM.match(form) is None or not all(fills):
        return answer("-")
    return call_tool(messages, "http", {"request": _filled(form, fills)})


def _last_word(output: str) -> str:
    """The last word that a reply gave; empty for a refusal other than a conflict."""
    if _REFUSED.match(output):
        return ""
    found = _WORD.findall(output)
    return found[-1] if found else ""


def _filled(form: str, fills: Sequence[str]) -> str:
    """A request of a form; what is left to fill is in the query and left out."""
    blanks = _BLANK.sub("#", form)
    if blanks.endswith("="):
        blanks += "#"
    if blanks.count("#") > len(fills):
        blanks = blanks.partition("?")[0]
    for fill in fills:
        blanks = blanks.replace("#", fill, 1)
    return blanks


def guess(prompt: str, rng: random.Random) -> str:
    """A uniform draw from all secrets."""
    del prompt
    return spell(rng.getrandbits(63), WORD_LETTERS)
