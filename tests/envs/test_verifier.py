"""Exact match: what passes and what does not."""

from __future__ import annotations

import pytest

from reachgym.envs import Attempt, Task, Verdict, exact_match


def judge(answer: str | None, gold: str = "Zoë") -> Verdict:
    return exact_match(Attempt(Task("t", "Who?", gold), (), (), answer))


@pytest.mark.parametrize("answer", ["Zoë", "  Zoë\n", "\tZoë"])
def test_the_gold_passes_whatever_white_space_surrounds_it(answer):
    verdict = judge(answer)
    assert (verdict.reward, verdict.passed) == (1.0, True)


@pytest.mark.parametrize("answer", ["", "zoë", "Zoe\u0308", "Zo ë", "Zoë.", "Zoë Zoë", None])
def test_anything_else_fails_and_is_scored(answer):
    verdict = judge(answer)
    assert (verdict.reward, verdict.passed, verdict.guess) == (0.0, False, False)


def test_white_space_around_the_gold_does_not_matter_either():
    assert judge("Zoë", gold=" Zoë\n").passed


@pytest.mark.parametrize("answer", ["Max", None])
def test_the_explanation_of_a_failure_does_not_tell_the_gold(answer):
    assert "Zoë" not in judge(answer).explanation
