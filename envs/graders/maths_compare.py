"""Runs apart from the worker: whether two mathematical expressions are equal, by math-verify.

Parsing and simplifying what a model wrote can take all time and memory there is.
"""

from __future__ import annotations

from math_verify import parse, verify
from math_verify.parser import LatexExtractionConfig

# The expression is all that is given, so nothing is to be searched for in it.
_WHOLE = (LatexExtractionConfig(boxed_match_priority=0),)


def equal(gold: str, answer: str) -> bool:
    """Whether an answer means what the gold does, both in LaTeX without any delimiters."""
    # Its own timeouts are alarms, and whoever runs this has a better one.
    return bool(verify(_parsed(gold), _parsed(answer), timeout_seconds=None))


def _parsed(expression: str) -> list[object]:
    return list(
        parse(
            f"\\boxed{{{expression}}}",
            _WHOLE,
            extraction_mode="first_match",
            parsing_timeout=None,
        )
    )


def warm_up() -> None:
    """Build what first comparisons build, before the first fork."""
    equal(r"\frac{1}{2}", "0.5")
    equal(r"\sqrt{8}+x", r"x+2\sqrt{2}")
