"""Short answers in words, scored as HotpotQA's evaluation does: exact match and F1 of words.

Both as in `hotpot_evaluate_v1.py` (Yang et al. 2018, arXiv 1809.09600): case, punctuation, English
articles and spacing do not count, and yes, no and `noanswer` are right or worth nothing.
"""

from __future__ import annotations

import re
import string
from collections import Counter

from reachgym.envs.types import Verdict
from reachgym.envs.verifier import Attempt

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WHOLE = ("yes", "no", "noanswer")


def normalized(answer: str) -> str:
    """The words of an answer: lower case, without punctuation and articles, one space between."""
    words = answer.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", words).split())


def f1(answer: str, gold: str) -> float:
    """The harmonic mean of precision and recall over the words of both, counted with repeats."""
    given, expected = normalized(answer), normalized(gold)
    if given != expected and (given in _WHOLE or expected in _WHOLE):
        return 0.0
    ours, theirs = Counter(given.split()), Counter(expected.split())
    common = (ours & theirs).total()
    return 2 * common / (ours.total() + theirs.total()) if common else 0.0


def short_answer_verifier(attempt: Attempt) -> Verdict:
    """Passed when the answer equals the gold once both are normalized; the reward is F1."""
    if attempt.answer is None:
        return Verdict(0.0, False, "No answer was given.")
    gold = attempt.task.gold
    passed = normalized(attempt.answer) == normalized(gold)
    score = f1(attempt.answer, gold)
    told = f"The answer is {attempt.answer[:80]!r}, expected {gold!r}: F1 is {score:.3g}."
    return Verdict(score, passed, told)
